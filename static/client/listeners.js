// @ts-check
/** Who is told what happens to a connection. Knows the names of the events and not what they mean. */

/** @typedef {(...args: any[]) => void} Listener */

export class Listeners {
  /** @type {Map<string, Set<Listener>>} */
  #listeners;
  /** What nobody has heard, of events that are kept for the first who listens. @type {Map<string, unknown[]>} */
  #unheard = new Map();

  /** @param {string[]} events */
  constructor(events) {
    this.#listeners = new Map(events.map((event) => [event, new Set()]));
  }

  /**
   * @param {string} event
   * @param {Listener} listener
   * @returns {() => void} removes the listener
   */
  add(event, listener) {
    const listeners = this.#listeners.get(event);
    if (!listeners) {
      throw new TypeError(`there is no event ${event}; there are ${[...this.#listeners.keys()].join(', ')}`);
    }
    // Wrapped, so that a function that was added twice is heard twice and removed once at a time.
    const entry = (/** @type {any[]} */ ...args) => listener(...args);
    listeners.add(entry);
    const unheard = this.#unheard.get(event);
    if (unheard) {
      this.#unheard.delete(event);
      queueMicrotask(() => this.tell(event, ...unheard));
    }
    return () => void listeners.delete(entry);
  }

  /**
   * @param {string} event
   * @param {unknown[]} args
   * @returns {boolean} whether anybody listens
   */
  tell(event, ...args) {
    const listeners = [...(this.#listeners.get(event) ?? [])];
    for (const listener of listeners) {
      try {
        listener(...args);
      } catch (error) {
        // The listener's fault, to be seen as such; the connection goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.length > 0;
  }

  /**
   * The same, and if nobody listens yet, the first who does will hear it.
   * @param {string} event
   * @param {unknown[]} args
   */
  tellOrKeep(event, ...args) {
    if (!this.tell(event, ...args)) {
      this.#unheard.set(event, args);
    }
  }
}
