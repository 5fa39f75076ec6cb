// @ts-check
/**
 * Notices a connection that is dead without anybody having closed it: packets vanish, and neither end is told. Asks the
 * other end for a sign of life when nothing came for a while, and gives the connection up when none comes. Knows no
 * messages and no sockets.
 *
 *   stopped ──start──▸ quiet ──10 s without a message──▸ asked ──no life in time──▸ lost, and stopped
 *                        ▴──────────── life ───────────────┘
 */

const QUIET_MS = 10_000;
const FIRST_PATIENCE_MS = 5_000;
// A link so slow that a sign of life takes longer must not be lost for ever.
const LONGEST_PATIENCE_MS = 60_000;
const LOOK_MS = 1_000;
// A timer may be so late because the page slept or was busy; then what came meanwhile waits behind the timer.
const LATE_MS = 2_000;

/**
 * @typedef {object} HeartbeatEvents
 * @property {() => void} ask sends something that is answered at once
 * @property {() => number} unsent bytes that were written and have not left this machine
 * @property {() => void} lost
 */

export class Heartbeat {
  #clock;
  #events;
  #patience_ms = FIRST_PATIENCE_MS;
  /** @type {any} */
  #timer;
  /** When the timer should run. */
  #due = 0;
  /** When the last sign of life was seen. */
  #life = 0;
  /** Until when one has to come; undefined as long as none was asked for. @type {number | undefined} */
  #deadline;
  /** Whether it was asked for again because a timer was late. */
  #again = false;
  #unsent = 0;

  /** @param {import('./transport.js').Clock} clock @param {HeartbeatEvents} events */
  constructor(clock, events) {
    this.#clock = clock;
    this.#events = events;
  }

  /** Watch a connection that was just opened. */
  start() {
    this.stop();
    this.#alive();
    this.#wait(QUIET_MS);
  }

  stop() {
    this.#clock.clearTimeout(this.#timer);
  }

  /** Note that a message came. */
  heard() {
    this.#alive();
    this.#patience_ms = FIRST_PATIENCE_MS;
  }

  #alive() {
    this.#life = this.#clock.now();
    this.#deadline = undefined;
  }

  /** @param {number} ms */
  #wait(ms) {
    this.#due = this.#clock.now() + ms;
    this.#timer = this.#clock.setTimeout(() => this.#look(), ms);
  }

  #look() {
    const now = this.#clock.now();
    const late = now - this.#due > LATE_MS;
    if (this.#deadline === undefined) {
      const quiet = now - this.#life;
      if (quiet < QUIET_MS) {
        this.#wait(QUIET_MS - quiet);
        return;
      }
      this.#again = false;
      this.#ask(now);
    } else if (this.#events.unsent() < this.#unsent) {
      this.#alive();
    } else if (late && !this.#again) {
      this.#again = true;
      this.#ask(now);
    } else if (now >= this.#deadline) {
      this.#patience_ms = Math.min(this.#patience_ms * 2, LONGEST_PATIENCE_MS);
      this.#events.lost();
      return;
    }
    this.#unsent = this.#events.unsent();
    this.#wait(LOOK_MS);
  }

  /** @param {number} now */
  #ask(now) {
    this.#deadline = now + this.#patience_ms;
    this.#events.ask();
  }
}
