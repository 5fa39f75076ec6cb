// @ts-check
/**
 * The messages of one stream on their way out. What is posted in one tick travels in one frame, as a batch; no frame and
 * no message grows over the gateway's limit. What was written is counted and kept until the gateway confirms it, so that
 * it can be written again over the next socket. Knows nothing of what the messages say.
 *
 *   posted ──▸ waiting ─────────written──▸ kept ──confirmed──▸ gone
 *                 │ ▴        ▴              │
 *                 └─│─▸ held ┘              │     held: calls over what the gateway takes, and what comes behind them
 *                   └───────────────────────┘     resume: what the gateway did not take; again: calls that it refused
 */

/**
 * @typedef {object} Message
 * @property {string} [text]
 * @property {() => string | undefined} [render] makes the text when it is written; undefined: it is not to be written
 * @property {import('./calls.js').Call} [owner] the call that it makes
 * @property {boolean} [ordered] it must not be written before the calls that were posted before it
 * @property {boolean} [uncounted] and not kept: it speaks of the socket that it is written to
 * @property {() => void} [written] once, when it is written for the first time
 * @property {(bytes: number, limit: number) => void} [refused] it is over the limit and will not be written
 * @property {() => void} [dropped] it will not be written, because the session it belongs to is lost
 */

/**
 * @typedef {object} Bounds of the gateway, as it said at hello
 * @property {number} [max_message_bytes]
 * @property {number} [max_calls_per_session]
 * @property {number} [send_buffer_bytes]
 */

export class Outbox {
  /** @type {Message[]} */
  #waiting = [];
  /** Calls that the gateway would refuse now, and what must not overtake them. @type {Message[]} */
  #held = [];
  /** Their texts: what a message was made from may be forgotten. @type {string[]} */
  #kept = [];
  #keptChars = 0;
  #confirmed = 0;
  #begun = false;
  /** @type {((frame: string) => void) | null} */
  #write = null;
  #limit = Infinity;
  #mostCalls = Infinity;
  #mostChars = Infinity;
  #scheduled = false;
  /** How many of those that are held came back since one of them was written. */
  #returned = 0;
  #inFlight;

  /** @param {() => number} inFlight calls that were written and are not answered */
  constructor(inFlight) {
    this.#inFlight = inFlight;
  }

  /** Messages of this stream that were written, as PROTOCOL.md counts them. */
  get sent() {
    return this.#confirmed + this.#kept.length;
  }

  /**
   * Begin a stream: write what waits, and from now on what is posted.
   * @param {(frame: string) => void} write
   * @param {Bounds} bounds
   */
  open(write, bounds) {
    this.#forget();
    this.#start(write, bounds);
  }

  /**
   * Go on with the stream over another socket: write again what the gateway did not take.
   * @param {(frame: string) => void} write
   * @param {Bounds} bounds
   * @param {number} taken what the gateway has received
   * @returns {boolean} false: it is not what the gateway can have received, and nothing is written
   */
  resume(write, bounds, taken) {
    // A stream that another page began has a count that only the gateway knows.
    const [least, most] = this.#begun ? [this.#confirmed, this.sent] : [0, Infinity];
    if (!Number.isInteger(taken) || taken < least || taken > most) {
      return false;
    }
    this.confirm(taken);
    const again = this.#kept.map((text) => ({ text }));
    this.#forget();
    this.#confirmed = taken;
    this.#waiting = [...again, ...this.#held, ...this.#waiting];
    this.#held = [];
    this.#start(write, bounds);
    return true;
  }

  /**
   * Let go of what the gateway has.
   * @param {number} received as it says
   */
  confirm(received) {
    const confirmed = Math.min(Math.max(received - this.#confirmed, 0), this.#kept.length);
    for (const text of this.#kept.splice(0, confirmed)) {
      this.#keptChars -= text.length;
    }
    this.#confirmed += confirmed;
    this.more();
  }

  /** Write nothing until the next `open` or `resume`; what is posted waits. */
  close() {
    this.#write = null;
    this.#waiting = this.#waiting.filter((message) => !message.uncounted);
  }

  /** @param {Message} message */
  post(message) {
    this.#waiting.push(message);
    this.#schedule();
  }

  /** Write what was held, as far as the gateway takes it: a call has ended. */
  more() {
    if (this.#held.length > 0) {
      this.#schedule();
    }
  }

  /**
   * Write a call again when calls are taken: before those that never were written, and behind others that came back.
   * @param {Message} call
   */
  again(call) {
    this.#held.splice(this.#returned++, 0, call);
  }

  /**
   * The session is lost: drop everything.
   * @param {Message[]} calls that are to be made in the next
   */
  drop(calls) {
    const left = [...this.#held, ...this.#waiting];
    this.#held = [];
    this.#waiting = calls;
    this.#forget();
    for (const message of left) {
      message.dropped?.();
    }
  }

  flush() {
    this.#scheduled = false;
    const write = this.#write;
    if (!write) {
      return;
    }
    /** @type {string[]} */
    let frame = [];
    let frameBytes = 0;
    const end = () => {
      if (frame.length > 0) {
        write(frame.length === 1 ? frame[0] : `[${frame.join(',')}]`);
      }
      frame = [];
      frameBytes = 0;
    };
    const put = (/** @type {Message} */ message) => {
      const text = message.owner?.over ? undefined : (message.text ?? message.render?.());
      if (text === undefined) {
        return;
      }
      const bytes = utf8Length(text, this.#limit);
      if (bytes > this.#limit) {
        message.refused?.(bytes, this.#limit);
        return;
      }
      // A comma for each message and two brackets.
      if (frameBytes + bytes + frame.length + 2 > this.#limit) {
        end();
      }
      frame.push(text);
      frameBytes += bytes;
      if (!message.uncounted) {
        this.#kept.push(text);
        this.#keptChars += text.length;
      }
      message.written?.();
    };
    // Not copies: a message that is refused may take others along. Answers and what else is not ordered go first: the
    // calls that are under way may wait for just those.
    let message;
    while ((message = this.#waiting.shift())) {
      if ((message.owner || message.ordered) && (this.#held.length > 0 || !this.#admits(message))) {
        this.#held.push(message);
      } else {
        put(message);
      }
    }
    while (this.#held.length > 0 && this.#admits(this.#held[0])) {
      this.#returned = 0;
      put(/** @type {Message} */ (this.#held.shift()));
    }
    end();
  }

  #schedule() {
    if (this.#write && !this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.flush());
    }
  }

  /** @param {Message} message */
  #admits({ owner }) {
    return !owner || owner.over || (this.#inFlight() < this.#mostCalls && this.#keptChars < this.#mostChars);
  }

  #forget() {
    this.#kept = [];
    this.#confirmed = this.#keptChars = 0;
  }

  /** @param {(frame: string) => void} write @param {Bounds} bounds */
  #start(write, { max_message_bytes, max_calls_per_session, send_buffer_bytes }) {
    this.#begun = true;
    this.#write = write;
    this.#limit = max_message_bytes ?? Infinity;
    this.#mostCalls = max_calls_per_session ?? Infinity;
    this.#mostChars = send_buffer_bytes ?? Infinity;
    this.flush();
  }
}

/**
 * The bytes of a text in UTF-8, or an upper bound where that is within the limit: counting costs a copy of the text.
 * @param {string} text
 * @param {number} limit
 */
function utf8Length(text, limit) {
  return text.length * 3 <= limit ? text.length * 3 : new TextEncoder().encode(text).length;
}
