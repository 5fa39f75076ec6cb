// @ts-check
/**
 * What one outgoing message refers to, collected while its values are written: handles, callbacks, and calls whose
 * results will stand in it.
 */
import { GatewayError } from './errors.js';
import { targetOf } from './proxies.js';

/** @typedef {import('./values.js').Outgoing} Outgoing */
/** @typedef {import('./proxies.js').PendingTarget} PendingTarget */
/** @typedef {{holder: any, key: string | number, path: string, target: PendingTarget}} Hole where a result will stand */

/** @implements {Outgoing} */
export class References {
  #owner;
  #callbacks;
  /** @type {Set<string>} */
  #names = new Set();
  /** The oldest session that a handle belongs to; undefined without handles. @type {number | undefined} */
  generation;
  /** Whoever tries again leaves those that are to be written anew. @type {Hole[]} */
  holes = [];
  /** Elements and members of the message, as the gateway counts them. */
  values = 0;

  /**
   * @param {object} owner whose handles these must be
   * @param {import('./callbacks.js').CallbackTable} callbacks
   */
  constructor(owner, callbacks) {
    this.#owner = owner;
    this.#callbacks = callbacks;
  }

  /** The names of the callbacks, each once. */
  get callbacks() {
    return [...this.#names];
  }

  /** @param {object} value @param {string} path */
  reference(value, path) {
    const target = targetOf(value);
    if (target === undefined || target.kind === 'pending') {
      return undefined;
    }
    if (target.kind === 'service') {
      throw new GatewayError('invalid_argument', `${path}: a service cannot be passed on`, { path });
    }
    if (target.owner !== this.#owner) {
      throw new GatewayError('invalid_argument', `${path}: the object belongs to another connection`, { path });
    }
    if (target.released) {
      throw new GatewayError('failed_precondition', `${path}: the object was released`, { path });
    }
    this.generation = Math.min(this.generation ?? Infinity, target.generation);
    return { $handle: target.token };
  }

  /** @param {object} value @param {any} holder @param {string | number} key @param {string} path */
  later(value, holder, key, path) {
    const target = targetOf(value);
    if (target?.kind !== 'pending') {
      return false;
    }
    this.holes.push({ holder, key, path, target });
    return true;
  }

  /** @param {object} target */
  callback(target) {
    const name = this.#callbacks.name(target);
    if (!this.#names.has(name)) {
      this.#names.add(name);
      this.#callbacks.carry([name]);
    }
    return { $callback: name };
  }

  /** Keep the callbacks, whatever comes of the message, until `discard` or another try. */
  hold() {
    this.#callbacks.carry(this.#names);
  }

  /** Note that the message will not be sent, or is held no longer. */
  discard() {
    this.#callbacks.settle(this.#names, false);
  }
}
