// @ts-check
/**
 * The messages of one stream on their way out. What is posted in one tick travels in one frame, as a batch; no frame and
 * no message grows over the gateway's limit. What was written is counted and kept until the gateway confirms it, so that
 * it can be written again over the next socket. Knows nothing of what the messages say.
 *
 *   posted ──▸ waiting ──written──▸ kept ──confirmed──▸ gone
 *                 ▴─────────────────┘ resume: what the gateway did not take
 */

/**
 * @typedef {object} Message
 * @property {string} text
 * @property {import('./calls.js').Call} [owner] the call that it makes
 * @property {boolean} [uncounted] and not kept: it speaks of the socket that it is written to
 * @property {() => void} [written] once, when it is written for the first time
 * @property {(bytes: number, limit: number) => void} [refused] it is over the limit and will not be written
 * @property {() => void} [dropped] it will not be written, because the session it belongs to is lost
 */

export class Outbox {
  /** @type {Message[]} */
  #waiting = [];
  /** @type {Message[]} */
  #kept = [];
  #confirmed = 0;
  #begun = false;
  /** @type {((frame: string) => void) | null} */
  #write = null;
  #limit = Infinity;
  #scheduled = false;

  /** Messages of this stream that were written, as PROTOCOL.md counts them. */
  get sent() {
    return this.#confirmed + this.#kept.length;
  }

  /**
   * Begin a stream: write what waits, and from now on what is posted.
   * @param {(frame: string) => void} write
   * @param {number} limit bytes
   */
  open(write, limit) {
    this.#confirmed = 0;
    this.#kept = [];
    this.#start(write, limit);
  }

  /**
   * Go on with the stream over another socket: write again what the gateway did not take.
   * @param {(frame: string) => void} write
   * @param {number} limit bytes
   * @param {number} taken what the gateway has received
   * @returns {boolean} false: it is not what the gateway can have received, and nothing is written
   */
  resume(write, limit, taken) {
    // A stream that another page began has a count that only the gateway knows.
    const [least, most] = this.#begun ? [this.#confirmed, this.sent] : [0, Infinity];
    if (!Number.isInteger(taken) || taken < least || taken > most) {
      return false;
    }
    this.confirm(taken);
    this.#confirmed = taken;
    this.#waiting = [...this.#kept, ...this.#waiting];
    this.#kept = [];
    this.#start(write, limit);
    return true;
  }

  /**
   * Let go of what the gateway has.
   * @param {number} received as it says
   */
  confirm(received) {
    const confirmed = Math.min(Math.max(received - this.#confirmed, 0), this.#kept.length);
    this.#kept.splice(0, confirmed);
    this.#confirmed += confirmed;
  }

  /** Write nothing until the next `open` or `resume`; what is posted waits. */
  close() {
    this.#write = null;
    this.#waiting = this.#waiting.filter((message) => !message.uncounted);
  }

  /** @param {Message} message */
  post(message) {
    this.#waiting.push(message);
    if (this.#write && !this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => this.flush());
    }
  }

  /**
   * Take the message of a call back that was not written yet.
   * @param {import('./calls.js').Call} owner
   */
  withdraw(owner) {
    this.#waiting = this.#waiting.filter((message) => message.owner !== owner);
  }

  /** Drop everything: the session is lost. */
  drop() {
    const dropped = this.#waiting;
    this.#waiting = [];
    this.#kept = [];
    this.#confirmed = 0;
    for (const message of dropped) {
      message.dropped?.();
    }
  }

  flush() {
    this.#scheduled = false;
    if (!this.#write) {
      return;
    }
    /** @type {string[]} */
    let frame = [];
    let frameBytes = 0;
    // Not a copy: a message that is refused takes those along that build on it.
    for (let message = this.#waiting.shift(); message; message = this.#waiting.shift()) {
      const bytes = utf8Length(message.text, this.#limit);
      if (bytes > this.#limit) {
        message.refused?.(bytes, this.#limit);
        continue;
      }
      // A comma for each message and two brackets.
      if (frame.length > 0 && frameBytes + bytes + frame.length + 2 > this.#limit) {
        this.#write(joined(frame));
        frame = [];
        frameBytes = 0;
      }
      frame.push(message.text);
      frameBytes += bytes;
      if (!message.uncounted) {
        // The text alone: what the message was made from may be forgotten.
        this.#kept.push({ text: message.text });
      }
      message.written?.();
    }
    if (frame.length > 0) {
      this.#write(joined(frame));
    }
  }

  /** @param {(frame: string) => void} write @param {number} limit */
  #start(write, limit) {
    this.#begun = true;
    this.#write = write;
    this.#limit = limit;
    this.flush();
  }
}

/** @param {string[]} messages */
function joined(messages) {
  return messages.length === 1 ? messages[0] : `[${messages.join(',')}]`;
}

/**
 * The bytes of a text in UTF-8, or an upper bound where that is within the limit: counting costs a copy of the text.
 * @param {string} text
 * @param {number} limit
 */
function utf8Length(text, limit) {
  return text.length * 3 <= limit ? text.length * 3 : new TextEncoder().encode(text).length;
}
