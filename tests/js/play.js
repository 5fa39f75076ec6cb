// A transcript of tests/vectors/session, played from the client's side: see the README there.
import assert from 'node:assert/strict';

import { GatewayError } from '../../static/client/errors.js';
import { Gateway } from '../../static/client/gateway.js';
import { FakeClock, fakeWebSocketClass, settle, withoutPrefix } from './fakes.js';

export class Play {
  #clock = new FakeClock();
  #WebSocket = fakeWebSocketClass();
  #sockets = new Map();
  #limits;
  #calls = new Map();
  #runs = new Map();
  #aborts = new Map();
  #objects = new Map();
  #callbacks = new Map();
  #seen = [];
  #written = [];
  #closed = [];

  constructor({ limits, options = {} }) {
    this.#limits = limits ?? {};
    this.gateway = new Gateway('ws://gateway/ws', this.#WebSocket, {
      clock: this.#clock,
      random: () => 1,
      ...options,
    });
    // Promises tell of calls some microtasks after their end; what counts is which came first.
    let sameSession = false;
    this.gateway.on('reset', (reset) => (sameSession = reset.sameSession));
    this.gateway.on('state', (state, { resumed, error }) => {
      const what = {
        state,
        ...(state === 'open' && { resumed }),
        ...(state === 'open' && sameSession && { same_session: true }),
        ...(error && { error: error.code }),
      };
      setImmediate(() => this.#see(what));
    });
    this.gateway.on('released', (what) =>
      this.#see({ released: JSON.parse(withoutPrefix(JSON.stringify(what), this.#WebSocket.prefix)) }),
    );
  }

  async play(steps) {
    for (const step of unrolled(steps)) {
      if ('app' in step) {
        // Successive ones are in one tick.
        this.#act(step.app);
      } else {
        await this.#step(step, JSON.stringify(step));
      }
    }
    await settle();
    this.#collect();
    assert.deepEqual(
      { written: this.#written, seen: this.#seen, closed: this.#closed },
      { written: [], seen: [], closed: [] },
    );
    for (const [id, socket] of this.#sockets) {
      assert.equal(socket.frames.length, 0, `socket ${id}`);
    }
    this.gateway.close();
    assert.equal(this.#clock.waiting, 0, 'timers are left');
  }

  #see(what) {
    this.#seen.push(what);
  }

  async #step(step, at) {
    if ('open' in step) {
      await settle();
      // The client comes back by itself; how soon is not the transcript's business.
      const known = new Set(this.#sockets.values());
      for (let waited = 0; known.has(this.#WebSocket.latest) && waited < 100; waited++) {
        this.#clock.advance(100);
      }
      const socket = this.#WebSocket.latest;
      assert.ok(!known.has(socket), `no socket: ${at}`);
      this.#sockets.set(step.open, socket);
      socket.emit('open', {});
    } else if ('client' in step) {
      await settle();
      const frames = this.#sockets.get(step.on).frames;
      assert.ok(frames.length > 0, `nothing is written: ${at}; seen ${JSON.stringify(this.#seen)}`);
      assertFits(JSON.parse(frames.shift()), step.client, at);
    } else if ('gateway' in step || 'late' in step) {
      if (step.lost || step.at === 'gateway') {
        return;
      }
      const message = { jsonrpc: '2.0', ...(step.gateway ?? step.late) };
      if (message.result?.protocol) {
        message.result = { ...message.result, limits: { max_message_bytes: 1_000_000, ...this.#limits } };
      }
      this.#sockets.get(step.on).emit('message', { data: JSON.stringify(message) });
    } else if ('gateway_text' in step) {
      this.#sockets.get(step.on).emit('message', { data: step.gateway_text });
    } else if ('cut' in step) {
      await settle();
      this.#sockets.get(step.cut).emit('close', { code: 1006, reason: '' });
    } else if ('close' in step) {
      await settle();
      const socket = this.#sockets.get(step.close);
      if (step.by === 'client') {
        assert.equal(socket.closed?.code, step.code, at);
      } else {
        socket.emit('close', { code: step.code, reason: '' });
      }
    } else if ('wait' in step) {
      await settle();
      this.#clock.advance(step.wait * 1000);
    } else if ('app_sees' in step) {
      await settle();
      assert.ok(this.#seen.length > 0, `the page is told nothing: ${at}`);
      assert.deepEqual(plain(this.#seen.shift()), step.app_sees, at);
    }
  }

  #act(app) {
    if ('call' in app) {
      const abort = new AbortController();
      const options = { signal: abort.signal, ...(app.timeout && { timeout: app.timeout * 1000 }) };
      const [target, method] = this.#target(app);
      const call = target.$call(method, this.#value(app.params), options);
      this.#calls.set(app.call, call);
      this.#aborts.set(app.call, abort);
      call.then(
        (result) => {
          this.#keep(result);
          this.#see({ call: app.call, result });
        },
        (error) => {
          assert.ok(error instanceof GatewayError, String(error));
          this.#see({ call: app.call, error: error.code });
        },
      );
    } else if ('cancel' in app) {
      this.#aborts.get(app.cancel).abort();
    } else if ('release' in app) {
      this.#objects.get(app.release).shift().$release();
    } else if ('return' in app) {
      this.#runs.get(app.return)(app.result);
    } else if ('close' in app) {
      this.gateway.close();
    }
  }

  /** The object that a call is for, and the method's name. */
  #target({ on, method }) {
    if (on?.$handle) {
      return [this.#objects.get(on.$handle).at(-1), method];
    }
    if (on) {
      return [on.path.reduce((place, name) => place[name], this.#calls.get(on.call)), method];
    }
    const [service, name] = method.split('.');
    return [this.gateway.service(service), name];
  }

  #value(json) {
    if (typeof json !== 'object' || json === null) {
      return json;
    }
    if (json.$callback) {
      return this.#callback(json.$callback);
    }
    if (json.$handle) {
      return this.#objects.get(json.$handle).at(-1);
    }
    if (json.$result) {
      return json.$result.path.reduce((place, name) => place[name], this.#calls.get(json.$result.call));
    }
    if (Array.isArray(json)) {
      return json.map((element) => this.#value(element));
    }
    return Object.fromEntries(Object.entries(json).map(([name, member]) => [name, this.#value(member)]));
  }

  #callback(name) {
    if (!this.#callbacks.has(name)) {
      const changed = (...params) =>
        new Promise((resolve) => {
          const run = `r${this.#runs.size + 1}`;
          this.#runs.set(run, resolve);
          this.#see({ run, callback: name, method: 'changed', params });
        });
      this.#callbacks.set(name, { changed });
    }
    return this.#callbacks.get(name);
  }

  /** Remember the objects of a result by their tokens. */
  #keep(value) {
    if (typeof value !== 'object' || value === null) {
      return;
    }
    if (value.$handle) {
      this.#objects.set(value.$handle, [...(this.#objects.get(value.$handle) ?? []), value]);
      return;
    }
    Object.values(value).forEach((member) => this.#keep(member));
  }

  #collect() {
    for (const socket of this.#sockets.values()) {
      this.#written.push(...socket.frames.splice(0));
    }
  }
}

/** What the page got, with objects as the transcripts write them. */
function plain(value) {
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  if (value.$handle) {
    return { $handle: value.$handle, interface: value.$interface };
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]));
}

/** Of an error counts what stands in the transcript. */
function assertFits(written, expected, at) {
  if (Array.isArray(expected)) {
    assert.ok(Array.isArray(written), at);
    assert.equal(written.length, expected.length, `${at}: ${JSON.stringify(written)}`);
    expected.forEach((message, index) => assertFits(written[index], message, at));
    return;
  }
  const { jsonrpc, ...message } = written;
  assert.equal(jsonrpc, '2.0', at);
  if (expected.error && message.error) {
    const { code, data } = message.error;
    assert.deepEqual({ id: message.id, error: { code, data: { code: data.code } } }, expected, at);
  } else {
    assert.deepEqual(message, expected, at);
  }
}

function unrolled(steps) {
  return steps.flatMap((step) =>
    step.repeat
      ? Array.from({ length: step.repeat }, (_, index) => unrolled(filled(step.steps, index + 1))).flat()
      : [filled(step)],
  );
}

function filled(value, number) {
  if (typeof value === 'string') {
    const letters = /^\{x\*(\d+)\}$/.exec(value);
    if (letters) {
      return 'x'.repeat(Number(letters[1]));
    }
    if (number === undefined) {
      return value;
    }
    return value === '{n}' ? number : value.replaceAll('{n}', String(number));
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  return Array.isArray(value)
    ? value.map((element) => filled(element, number))
    : Object.fromEntries(Object.entries(value).map(([name, member]) => [name, filled(member, number)]));
}
