// @ts-check
/** How long the gateway keeps a stream that has no socket. */

export class ResumeWindow {
  #clock;
  #over;
  /** @type {any} */
  #timer;
  #until = Infinity;

  /**
   * @param {import('./transport.js').Clock} clock
   * @param {() => void} over
   */
  constructor(clock, over) {
    this.#clock = clock;
    this.#over = over;
  }

  /** Whether the stream can no longer be resumed. */
  get isOver() {
    return this.#clock.now() >= this.#until;
  }

  /**
   * The socket was lost just now.
   * @param {unknown} seconds as the gateway said at hello
   */
  start(seconds) {
    const ms = Number(seconds ?? 0) * 1000;
    this.#until = this.#clock.now() + ms;
    this.#timer = this.#clock.setTimeout(this.#over, ms);
  }

  /** There is a socket again, or another stream. */
  stop() {
    this.#clock.clearTimeout(this.#timer);
  }
}
