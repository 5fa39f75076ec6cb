// @ts-check
/** The objects of this page that services may call, and what they answer. Knows no page and no connection. */
import { membersDraft } from './checking.js';
import { resultsShape } from './description.js';
import { parseJson } from './json-text.js';
import { callbackName } from './reading.js';

/** @typedef {import('./drafts.js').Rule} Rule */

/**
 * @typedef {object} Callback
 * @property {string} name on the wire
 * @property {string} label `watch.listener`
 * @property {string} service
 * @property {string} interfaceName
 * @property {Record<string, Rule>} rules by method; those without one ask, if they have results
 * @property {number} calls
 */

/**
 * @typedef {object} Ask a call that waits for somebody's answer
 * @property {string} id of the request
 * @property {Callback} callback
 * @property {string} method
 * @property {any[]} args
 * @property {number} until when the service waits no longer, in milliseconds since 1970
 * @property {(result: unknown) => void} answer
 * @property {(error: Error) => void} fail
 */

export class Callbacks {
  /** @type {Map<string, Callback>} */
  #callbacks = new Map();
  /** @type {Map<string, Ask>} */
  #asks = new Map();
  #last = 0;
  #prefix;
  #changed;

  /** @param {string} prefix of names that no other page has @param {() => void} changed */
  constructor(prefix, changed) {
    this.#prefix = prefix;
    this.#changed = changed;
  }

  get list() {
    return [...this.#callbacks.values()].reverse();
  }

  get asks() {
    return [...this.#asks.values()];
  }

  /** @param {string} name */
  get(name) {
    return this.#callbacks.get(name);
  }

  /**
   * Make one, under a name that nothing else has.
   * @param {Omit<Callback, 'name' | 'calls'>} facts
   * @param {string} wanted
   * @returns {Callback}
   */
  make(facts, wanted) {
    const free = wanted && !this.#callbacks.has(wanted) ? wanted : undefined;
    const name =
      free ?? `${this.#prefix}${++this.#last}-${callbackName(wanted || facts.label.split('.').slice(1).join('.'))}`;
    const callback = { ...facts, name, calls: 0 };
    this.#callbacks.set(name, callback);
    this.#changed();
    return callback;
  }

  /** Note that it is called. @param {Callback} callback */
  called(callback) {
    callback.calls++;
    this.#changed();
  }

  /** @param {Callback} callback @param {string} method @param {Rule} rule */
  setRule(callback, method, rule) {
    callback.rules = { ...callback.rules, [method]: rule };
    this.#changed();
  }

  /** @param {string} name @returns {Callback | undefined} */
  remove(name) {
    const callback = this.#callbacks.get(name);
    if (callback) {
      this.#callbacks.delete(name);
      this.#changed();
    }
    return callback;
  }

  /** @param {Ask} ask */
  wait(ask) {
    this.#asks.set(ask.id, ask);
    this.#changed();
  }

  /** @param {string} id */
  settled(id) {
    if (this.#asks.delete(id)) {
      this.#changed();
    }
  }

  clear() {
    this.#callbacks.clear();
    this.#asks.clear();
    this.#changed();
  }

  /** Plain data for the page that goes on with the stream. */
  save() {
    return [...this.#callbacks.values()];
  }

  /** @param {Callback[]} callbacks */
  restore(callbacks) {
    callbacks.forEach((callback) => this.#callbacks.set(callback.name, callback));
    this.#changed();
  }
}

/**
 * What a callback does when a method is called that nobody gave a rule.
 * @param {import('./description.js').Method} method
 * @returns {Rule}
 */
export function defaultRule({ results }) {
  return { how: results.length > 0 ? 'ask' : 'at once', text: '' };
}

/**
 * Why a rule's answer would be refused; '' if it would not. What refers to objects only the gateway can judge.
 * @param {Rule} rule
 * @param {import('./description.js').Method} method
 * @param {import('./description.js').Tables} tables
 */
export function ruleProblem({ how, text }, method, tables) {
  if (how !== 'value' || text.trim() === '') {
    return '';
  }
  try {
    const value = parseJson(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return 'expected an object of results by name';
    }
    const check = { tables, problems: /** @type {import('./reading.js').Problem[]} */ ([]) };
    membersDraft(value, resultsShape(method), '$', check);
    return check.problems
      .map(({ path, message }) => `${path}: ${message}`)
      .slice(0, 3)
      .join('; ');
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}
