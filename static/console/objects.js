// @ts-check
/** The objects that this page holds, named by where they came from. Knows no page and no connection. */
import { scalarText } from './json-text.js';

/**
 * @typedef {object} LiveObject
 * @property {number} number of it on this page
 * @property {string} token
 * @property {string} service that it came from
 * @property {string | null} interfaceName
 * @property {string} label `find("Ann").updater`
 * @property {number} count how often it was sent, and so how often it is to be given back
 */

export class LiveObjects {
  /** In the order in which they came, by token. @type {Map<string, LiveObject>} */
  #objects = new Map();
  /** @type {Map<number, LiveObject>} */
  #byNumber = new Map();
  #last = 0;
  #changed;

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
  }

  get size() {
    return this.#objects.size;
  }

  /** Newest first. @param {string} [service] */
  list(service) {
    const all = [...this.#objects.values()].reverse();
    return service === undefined ? all : all.filter((object) => object.service === service);
  }

  /**
   * Note objects that came, each once more.
   * @param {Omit<LiveObject, 'number' | 'count'>[]} came
   */
  add(came) {
    for (const { token, ...facts } of came) {
      const known = this.#objects.get(token);
      if (known) {
        known.count++;
      } else {
        this.#put({ token, ...facts, number: ++this.#last, count: 1 });
      }
    }
    if (came.length > 0) {
      this.#changed();
    }
  }

  /** @param {string} token */
  get(token) {
    return this.#objects.get(token);
  }

  /** @param {number} number */
  numbered(number) {
    return this.#byNumber.get(number);
  }

  /** Forget an object: it was given back, or is no more. @param {string} token @returns {LiveObject | undefined} */
  remove(token) {
    const object = this.#objects.get(token);
    if (object) {
      this.#objects.delete(token);
      this.#byNumber.delete(object.number);
      this.#changed();
    }
    return object;
  }

  clear() {
    this.#objects.clear();
    this.#byNumber.clear();
    this.#changed();
  }

  /** Plain data for the page that goes on with the stream. */
  save() {
    return { last: this.#last, objects: [...this.#objects.values()] };
  }

  /** @param {{last: number, objects: LiveObject[]}} saved */
  restore({ last, objects }) {
    this.#last = last;
    objects.forEach((object) => this.#put(object));
    this.#changed();
  }

  /** @param {LiveObject} object */
  #put(object) {
    this.#objects.set(object.token, object);
    this.#byNumber.set(object.number, object);
  }
}

const MOST_CHARS = 24;
const MOST_ARGS = 3;

/**
 * A call as people write it, short: `find("Ann")`.
 * @param {string} method
 * @param {any} params by name, or by position
 */
export function callLabel(method, params) {
  const values = Object.values(params ?? {});
  const shown = values.slice(0, MOST_ARGS).map(shortValue);
  return `${method}(${[...shown, ...(values.length > MOST_ARGS ? ['…'] : [])].join(', ')})`;
}

/** @param {any} value */
function shortValue(value) {
  if (typeof value === 'object' && value !== null) {
    const [callback, handle] = [value.$callback, value.$handle];
    return typeof callback === 'string'
      ? 'callback'
      : typeof handle === 'string'
        ? 'object'
        : Array.isArray(value)
          ? '[…]'
          : '{…}';
  }
  const text = scalarText(value);
  return text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS - 1)}…` : text;
}

const MOST_LABEL_CHARS = 80;

/**
 * What an object in an answer is called.
 * @param {string} callee the label of the object that was called; '' for a service
 * @param {string} call `find("Ann")`
 * @param {string} path of the object in the answer
 */
export function objectLabel(callee, call, path) {
  const label = `${callee && `${callee}.`}${call}${path}`;
  return label.length > MOST_LABEL_CHARS ? `…${label.slice(1 - MOST_LABEL_CHARS)}` : label;
}
