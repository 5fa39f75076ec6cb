// @ts-check
/**
 * The messages that wait to be written. What is posted in one tick travels in one frame, as a batch; no frame and no
 * message grows over the gateway's limit; what is written is counted. Knows nothing of what the messages say.
 */

/**
 * @typedef {object} Message
 * @property {string} text
 * @property {import('./calls.js').Call} [owner] the call that it makes
 * @property {boolean} [uncounted]
 * @property {() => void} [written]
 * @property {(bytes: number, limit: number) => void} [refused] it is over the limit and will not be written
 * @property {() => void} [dropped] it will not be written, because the session it belongs to is lost
 */

export class Outbox {
  /** @type {Message[]} */
  #messages = [];
  /** @type {((frame: string) => void) | null} */
  #write = null;
  #limit = Infinity;
  #scheduled = false;
  #sent = 0;

  /** Messages written since `open`, as PROTOCOL.md §3 counts them. */
  get sent() {
    return this.#sent;
  }

  /**
   * Write what waits, and from now on what is posted.
   * @param {(frame: string) => void} write
   * @param {number} limit bytes
   */
  open(write, limit) {
    this.#write = write;
    this.#limit = limit;
    this.#sent = 0;
    this.flush();
  }

  /** Write nothing until the next `open`; what is posted waits. */
  close() {
    this.#write = null;
  }

  /** @param {Message} message */
  post(message) {
    this.#messages.push(message);
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
    this.#messages = this.#messages.filter((message) => message.owner !== owner);
  }

  /**
   * Drop what waits, except what `stays` says.
   * @param {(message: Message) => boolean} stays
   */
  drop(stays) {
    const messages = this.#messages;
    this.#messages = messages.filter(stays);
    for (const message of messages) {
      if (!stays(message)) {
        message.dropped?.();
      }
    }
  }

  flush() {
    this.#scheduled = false;
    if (!this.#write) {
      return;
    }
    const messages = this.#messages;
    this.#messages = [];
    /** @type {string[]} */
    let frame = [];
    let frameBytes = 0;
    for (const message of messages) {
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
        this.#sent++;
      }
      message.written?.();
    }
    if (frame.length > 0) {
      this.#write(joined(frame));
    }
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
