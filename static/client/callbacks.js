// @ts-check
/**
 * The objects of this page that the gateway may call, by the names that they were sent under. Pure bookkeeping: knows
 * when an entry may be forgotten, not how it is called.
 *
 * An entry lives from the first call that carries it until the gateway says `rpc.released`. One target keeps one name,
 * so that a service can tell that it got the same listener twice.
 */

/**
 * @typedef {object} Entry
 * @property {object} target
 * @property {number} passes calls that have carried the name, ever
 * @property {number} unanswered calls that carry it and have no answer yet
 * @property {boolean} held whether the gateway has it, as far as answers tell
 * @property {object[]} kept objects that live as long as it does
 * @property {Set<string>} missed methods that it was called by and does not have
 */

export class CallbackTable {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {WeakMap<object, string>} */
  #names = new WeakMap();
  #prefix;
  #lastNumber = 0;

  /** @param {string} [prefix] of names, which no other page of the same stream has */
  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  /**
   * Give the name of a target, a new one if it has none. The entry is kept only once `carry` was called for it.
   * @param {object} target
   */
  name(target) {
    let name = this.#names.get(target) ?? '';
    if (!this.#entries.has(name)) {
      name = `${this.#prefix}c${++this.#lastNumber}`;
      this.#names.set(target, name);
      this.#entries.set(name, {
        target,
        passes: 0,
        unanswered: 0,
        held: false,
        kept: [],
        missed: new Set(),
      });
    }
    return name;
  }

  /** @param {string} name */
  target(name) {
    return this.#entries.get(name)?.target;
  }

  /**
   * Keep objects as long as the gateway has one of these: an object that came for a callback, such as a subscription,
   * ends the callback with it when it is released, and nobody else may hold it.
   * @param {Iterable<string>} names
   * @param {object[]} objects
   */
  keep(names, objects) {
    for (const [, entry] of this.#of(names)) {
      entry.kept.push(...objects);
    }
  }

  /**
   * Note that a method was called which the target does not have.
   * @param {string} name
   * @param {string} method
   * @returns {boolean} whether it is the first time
   */
  missed(name, method) {
    const missed = this.#entries.get(name)?.missed;
    return !!missed && missed.size < missed.add(method).size;
  }

  /**
   * Note that a message with these names was made.
   * @param {Iterable<string>} names
   */
  carry(names) {
    for (const [, entry] of this.#of(names)) {
      entry.passes++;
      entry.unanswered++;
    }
  }

  /**
   * Note that a message with these names was answered, or will never be sent.
   * @param {Iterable<string>} names
   * @param {boolean} accepted whether the gateway can have taken them
   */
  settle(names, accepted) {
    for (const [name, entry] of this.#of(names)) {
      entry.unanswered--;
      entry.held ||= accepted;
      this.#forgetIdle(name, entry);
    }
  }

  /**
   * Note `rpc.released`. When a later call carries the name again and has no answer yet, the gateway may have sent this
   * before it saw that call, so the entry stays: rather a rare entry too many than a listener that falls silent.
   * @param {string} name
   */
  released(name) {
    const entry = this.#entries.get(name);
    if (!entry) {
      return;
    }
    if (entry.passes === 1 || entry.unanswered === 0) {
      this.#entries.delete(name);
    } else {
      entry.held = false;
    }
  }

  /** Forget what the gateway held when its session is lost; names in calls that were not sent yet stay. */
  sessionLost() {
    for (const [name, entry] of this.#entries) {
      entry.held = false;
      entry.passes = entry.unanswered;
      this.#forgetIdle(name, entry);
    }
  }

  /** @param {Iterable<string>} names @returns {Iterable<[string, Entry]>} those that there are */
  *#of(names) {
    for (const name of names) {
      const entry = this.#entries.get(name);
      if (entry) {
        yield [name, entry];
      }
    }
  }

  /** @param {string} name @param {Entry} entry */
  #forgetIdle(name, entry) {
    if (!entry.held && entry.unanswered === 0) {
      this.#entries.delete(name);
    }
  }
}
