// @ts-check
/**
 * One call of the page's, from its values to its result: what it is for, what it carries, and the calls whose answers it
 * builds on. Knows how these are written; when that happens, and all that goes over a connection, is the session's
 * business.
 */
import { failedWith } from './calls.js';
import { GatewayError } from './errors.js';
import { labelOf, remoteAt, valueAt } from './proxies.js';
import { setTrace, traceOf } from './traces.js';
import { encodeParams, encodeResult } from './values.js';

/** @typedef {import('./calls.js').CallOptions} CallOptions */
/** @typedef {import('./calls.js').Draft} Draft */
/** @typedef {import('./proxies.js').Base} Base */
/** @typedef {import('./proxies.js').HandleTarget} HandleTarget */
/** @typedef {import('./proxies.js').Params} Params */
/** @typedef {import('./proxies.js').PendingTarget} PendingTarget */
/** @typedef {import('./proxies.js').ServiceTarget} ServiceTarget */
/** @typedef {import('./references.js').References} References */

/**
 * @typedef {object} Surroundings
 * @property {import('./session.js').Session} session
 * @property {(json: unknown, callbacks: string[]) => any} decode reads a result of a call that passed these callbacks
 */

/** @implements {Draft} */
export class Invocation {
  #surroundings;
  #target;
  #method;
  #references;
  #options;
  /** @type {unknown} */
  #json;
  #values = 0;
  /** The places in the parameters where references to results stand that are not there yet. @type {import('./references.js').Hole[]} */
  #guessed = [];
  /** @type {Base & {resolve: (value: any) => void, reject: (error: any) => void}} */
  base;

  /**
   * @param {Surroundings} surroundings
   * @param {ServiceTarget | HandleTarget | PendingTarget} target
   * @param {string} method
   * @param {References} references
   * @param {CallOptions} options
   * @param {Function} entrance what the page called
   */
  constructor(surroundings, target, method, references, options, entrance) {
    this.#surroundings = surroundings;
    this.#target = target;
    this.#method = method;
    this.#references = references;
    this.#options = options;
    this.base = newBase(`${labelOf(target)}.${method}`, traceOf(entrance));
  }

  get callbacks() {
    return this.#references.callbacks;
  }

  /** @param {Params} params */
  begin(params) {
    try {
      checkTimeout(this.#options.timeout);
      // Written now, before anything is waited for: what the caller changes afterwards must not be sent.
      this.#json = encodeParams(params, this.#references);
      this.#values = this.#references.values;
      const waits = this.#bases();
      for (const base of waits) {
        // Whoever awaits this call hears of that one's failure, which nobody else may have asked for.
        base.result.catch((error) => this.#surroundings.session.abandon(this.base.id, failedWith(error)));
      }
      // The gateway waits for an answer in the place of this side, if it knows the call.
      if (waits.every(({ id }) => id)) {
        this.#send();
      } else {
        this.#sendLater();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @returns {import('./calls.js').Prepared} */
  prepare() {
    const references = this.#references;
    references.values = this.#values;
    this.#guessed = references.holes.filter((hole) => !fill(hole, references));
    const target = this.#callee();
    let { generation } = references;
    let owner;
    if (target.kind === 'service') {
      owner = target.name;
    } else if (target.kind === 'handle') {
      generation = Math.min(target.generation, generation ?? Infinity);
      owner = `@${target.token}`;
    } else {
      owner = ['#' + target.base.id, ...target.path.map(escaped)].join('.');
    }
    return { method: `${owner}.${this.#method}`, params: this.#json, values: references.values, generation };
  }

  /** What it is for; if that is in an answer that has come, the object there. */
  #callee() {
    const target = this.#target;
    return target.kind === 'pending' && target.base.settled ? remoteAt(valueOf(target.base), target.path) : target;
  }

  /** The calls without an answer that it builds on. */
  #bases() {
    const bases = this.#references.holes.map(({ target }) => target.base);
    if (this.#target.kind === 'pending') {
      bases.push(this.#target.base);
    }
    // Most calls build on none.
    return bases.filter(({ settled }) => !settled);
  }

  #send() {
    const target = this.#callee();
    if (target.kind === 'handle' && target.released) {
      throw new GatewayError('failed_precondition', `${target.interfaceName ?? 'the object'} was released`);
    }
    const guesses = this.#bases().length > 0;
    if (guesses) {
      this.#references.hold();
    }
    const over = () => guesses && this.#references.discard();
    this.base.id = this.#surroundings.session.call(this, this.#options, {
      resolve: (json) => {
        const value = this.#surroundings.decode(json, this.callbacks);
        over();
        this.base.resolve(value);
      },
      reject: (error) => {
        if (guesses && this.#isWrongGuess(error)) {
          this.#references.holes = this.#guessed;
          this.#sendLater();
        } else {
          over();
          this.base.reject(error);
        }
      },
    });
  }

  /**
   * Where a parameter is a value and no object, the gateway takes no reference to a result. Nothing was called then, nor
   * what builds on such a call; so both are made again, with the value itself.
   * @param {GatewayError} error
   */
  #isWrongGuess({ code, path, data }) {
    return (
      code === 'invalid_argument' &&
      (this.#guessed.some((hole) => hole.path === path) || (!!data?.cause && this.#bases().length > 0))
    );
  }

  /** Wait for what the call builds on; whether it is an error shows when it is written. */
  async #sendLater() {
    try {
      await Promise.allSettled(this.#bases().map(({ result }) => result));
      this.#send();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {unknown} error before it was given to the session */
  #fail(error) {
    this.#references.discard();
    this.base.reject(error);
  }
}

/**
 * @param {string} label
 * @param {{stack?: string}} trace
 * @returns {Base & {resolve: (value: any) => void, reject: (error: any) => void}}
 */
function newBase(label, trace) {
  const base = /** @type {any} */ ({ label, id: '', settled: false });
  base.result = new Promise((resolve, reject) => {
    base.resolve = (/** @type {any} */ value) => {
      base.settled = true;
      resolve((base.value = value));
    };
    base.reject = (/** @type {any} */ error) => {
      base.settled = true;
      if (error instanceof GatewayError) {
        setTrace(error, trace);
      }
      reject((base.error = error));
    };
  });
  return base;
}

/** @param {number} [timeout] */
function checkTimeout(timeout) {
  if (timeout !== undefined && !(timeout > 0 && timeout < Infinity)) {
    throw new GatewayError('invalid_argument', `the timeout ${timeout} is not above 0 ms`);
  }
}

/**
 * Write a result into its place, or where it will be found.
 * @param {import('./references.js').Hole} hole
 * @param {References} references
 * @returns {boolean} whether the result was there
 */
export function fill({ holder, key, path, target: { base, path: place } }, references) {
  if (!base.settled) {
    holder[key] = { $result: base.id, path: place };
    return false;
  }
  holder[key] = encodeResult(valueAt(valueOf(base), place), references, path).value;
  return true;
}

/**
 * The result of a call that has ended.
 * @param {Base} base
 */
function valueOf({ value, error }) {
  if (error instanceof GatewayError) {
    throw failedWith(error);
  }
  if (error) {
    throw error;
  }
  return value;
}

/** @param {string} segment a member's name in the method of a call into a result */
function escaped(segment) {
  return segment.replaceAll('%', '%25').replaceAll('.', '%2E');
}
