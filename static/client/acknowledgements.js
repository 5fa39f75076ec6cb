// @ts-check
/**
 * Counts what was received on one stream and says when to acknowledge it (PROTOCOL.md, "Counting"): after 64 messages,
 * 256 KiB or one second. What an acknowledgement looks like is its owner's business.
 */

const MESSAGES = 64;
const CHARS = 256 * 1024;
const DELAY_MS = 1_000;

export class Acknowledgements {
  #clock;
  #send;
  received = 0;
  acknowledged = 0;
  #chars = 0;
  /** @type {any} */
  #timer;

  /**
   * @param {import('./transport.js').Clock} clock
   * @param {(received: number) => void} send
   */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /**
   * Begin with a stream.
   * @param {number} [received] of a stream that an earlier page began
   */
  restart(received = 0) {
    this.stop();
    this.received = received;
    this.acknowledged = this.#chars = 0;
  }

  /** Go on over another socket. The last acknowledgement may be lost, so what was received is confirmed once more. */
  resume() {
    this.acknowledged = 0;
    this.frameEnds(0);
  }

  /** Send nothing more. */
  stop() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Count one message. */
  count() {
    this.received++;
  }

  /**
   * Acknowledge after a frame, or see to it that it happens in time.
   * @param {number} chars the length of the frame
   */
  frameEnds(chars) {
    const due = this.received - this.acknowledged;
    if (due === 0) {
      return;
    }
    this.#chars += chars;
    if (due >= MESSAGES || this.#chars >= CHARS) {
      this.#acknowledge();
    } else {
      this.#timer ??= this.#clock.setTimeout(() => this.#acknowledge(), DELAY_MS);
    }
  }

  #acknowledge() {
    this.stop();
    this.acknowledged = this.received;
    this.#chars = 0;
    this.#send(this.received);
  }
}
