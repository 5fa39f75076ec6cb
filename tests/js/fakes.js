// Stand-ins for the platform: time that passes on request, and sockets whose other end is the test.

export class FakeClock {
  time = 0;
  #timers = new Set();

  now = () => this.time;

  setTimeout = (action, delay_ms) => {
    const timer = { action, due: this.time + delay_ms };
    this.#timers.add(timer);
    return timer;
  };

  clearTimeout = (timer) => this.#timers.delete(timer);

  get waiting() {
    return this.#timers.size;
  }

  /** The machine sleeps: time passes and no timer runs, until all that are due do. */
  sleep(ms) {
    this.time += ms;
    for (const timer of [...this.#timers].filter(({ due }) => due <= this.time)) {
      this.#timers.delete(timer);
      timer.action();
    }
  }

  advance(ms) {
    const end = this.time + ms;
    for (;;) {
      const next = [...this.#timers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
      if (!next) {
        break;
      }
      this.time = next.due;
      this.#timers.delete(next);
      next.action();
    }
    this.time = end;
  }
}

/**
 * What a page wrote, with the prefix taken off its ids and the names of its callbacks: tests know a page's first call as 1,
 * its second callback as c2.
 */
export function withoutPrefix(text, prefix) {
  const number = (digits) => parseInt(digits, 36);
  return text
    .replaceAll(
      new RegExp(`"(id|\\$result)":"${prefix}([0-9a-z]+)"`, 'g'),
      (_, name, digits) => `"${name}":${number(digits)}`,
    )
    .replaceAll(new RegExp(`#${prefix}([0-9a-z]+)\\.`, 'g'), (_, digits) => `#${number(digits)}.`)
    .replaceAll(new RegExp(`"${prefix}c(\\d+)"`, 'g'), '"c$1"');
}

/** What a test says in the gateway's place, in the page's own words; hello is 0 for every page. */
export function withPrefix(message, prefix) {
  if (Array.isArray(message)) {
    return message.map((element) => withPrefix(element, prefix));
  }
  if (typeof message !== 'object' || message === null) {
    return message;
  }
  const said = { ...message };
  if (Number.isInteger(said.id) && said.id > 0 && said.method === undefined) {
    said.id = prefix + said.id.toString(36);
  }
  if (said.method?.startsWith?.('!c')) {
    said.method = `!${prefix}${said.method.slice(1)}`;
  }
  if (said.method === 'rpc.released' && said.params?.callback) {
    said.params = { ...said.params, callback: prefix + said.params.callback };
  }
  return said;
}

/** A WebSocket as the client sees one; `FakeWebSocket.made` has all of them, the newest last. */
export function fakeWebSocketClass() {
  return class FakeWebSocket {
    static made = [];
    /** What was sent over all of them, and how many messages of it the other end says it never received. */
    static sent = [];
    static lost = 0;
    /** Of the ids and callback names of the page, as soon as it has written one. */
    static prefix = undefined;
    /** Messages that the other end has received, as PROTOCOL.md counts them. */
    static get counted() {
      const counted = ({ method }) => method !== 'rpc.hello' && method !== 'rpc.ack';
      return messagesOf(this.sent).filter(counted).length - this.lost;
    }
    static get latest() {
      return this.made.at(-1);
    }

    frames = [];
    closed = undefined;
    #listeners = { open: [], message: [], close: [], error: [] };

    constructor(url) {
      this.url = url;
      new.target.made.push(this);
    }

    addEventListener(name, listener) {
      this.#listeners[name].push(listener);
    }

    send(text) {
      this.constructor.prefix ??= /"(?:id|\$callback)":"([0-9a-z]+-)[0-9a-z]+"/.exec(text)?.[1];
      const plain = withoutPrefix(text, this.constructor.prefix ?? 'none');
      this.frames.push(plain);
      this.constructor.sent.push(plain);
    }

    close(code, reason) {
      this.closed = { code, reason };
    }

    emit(name, event) {
      if (name === 'message' && this.constructor.prefix && /^[[{].*[\]}]$/s.test(event.data)) {
        event = { data: JSON.stringify(withPrefix(JSON.parse(event.data), this.constructor.prefix)) };
      }
      for (const listener of this.#listeners[name]) {
        listener(event);
      }
    }
  };
}

export const HELLO_RESULT = {
  protocol: 1,
  session: 'secret-session',
  stream: 's1',
  received: 0,
  resumed: false,
  resume_window_s: 60,
  limits: { max_message_bytes: 1000 },
};

/** Let everything that is ready happen: promises, microtasks, and then some. */
export function settle() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The error that a promise is rejected with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the promise was not rejected');
}

/** Messages of frames: batches are taken apart. */
export function messagesOf(frames) {
  return frames.flatMap((frame) => JSON.parse(frame));
}
