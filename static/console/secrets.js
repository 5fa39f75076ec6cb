// @ts-check
/** Which values are secrets (`$Gateway.sensitive`), and texts and values without them. Knows no page. */
import { membersOf, onlyResult, paramsShape, resultsShape } from './description.js';
import { Reach } from './reach.js';
import { elementField } from './reading.js';

/** @typedef {import('./description.js').Field} Field */
/** @typedef {import('./description.js').Method} Method */
/** @typedef {import('./description.js').Shape} Shape */
/** @typedef {import('./description.js').Tables} Tables */

/** What stands in a secret's place. */
export const MASK = '••••••';

// Fewer characters stand in any text.
const SHORTEST_SECRET = 3;

/** A walk through values that collects what it hides. */
export class Redaction {
  /** The hidden texts and numbers. @type {Set<string>} */
  secrets = new Set();
  /** Where they stood, as paths. @type {string[]} */
  paths = [];
  /** Those of them that are no texts in JSON. @type {string[]} */
  untexted = [];
  #tables;
  #reach;

  /** @param {Tables} tables */
  constructor(tables) {
    this.#tables = tables;
    this.#reach = new Reach(tables, (field) => field.sensitive === true);
  }

  /** Parameters by name. @param {any} params @param {Method} method */
  params(params, method) {
    return this.#members(params, paramsShape(method), '$', '');
  }

  /** A result as it comes: bare if there is but one. @param {any} result @param {Method} method */
  result(result, method) {
    const only = onlyResult(method);
    return only ? this.value(result, only, '$') : this.#members(result, resultsShape(method), '$', '');
  }

  /** The arguments of a callback, by position. @param {any[]} args @param {Method} method */
  args(args, method) {
    if (method.params_struct) {
      return args.map((arg) => this.#members(arg, /** @type {Shape} */ (method.params_struct), '$', ''));
    }
    return args.map((arg, index) => {
      const field = method.params[index];
      return field ? this.value(arg, field, `$.${field.name}`) : arg;
    });
  }

  /** @param {any} value @param {Field} field @param {string} path @returns {any} the value itself if nothing in it is a secret */
  value(value, field, path) {
    if (field.sensitive) {
      return this.#hide(value, path);
    }
    if (!this.#reach.within(field.shape) || value === null || typeof value !== 'object') {
      return value;
    }
    if (Array.isArray(value)) {
      const element = elementField(field);
      return value.map((item, index) => this.value(item, element, `${path}[${index}]`));
    }
    return this.#members(value, field.shape, path, '');
  }

  /** A text in which a secret may stand, such as the words of an error. @param {string} text */
  text(text) {
    let shown = text;
    for (const secret of this.secrets) {
      if (secret.length >= SHORTEST_SECRET) {
        shown = shown.replaceAll(secret, MASK);
      }
    }
    return shown;
  }

  /** @param {any} value @param {string} path @returns {any} */
  #hide(value, path) {
    if (value === null || value === undefined || value === '') {
      return value;
    }
    this.paths.push(path);
    if (typeof value !== 'string') {
      this.untexted.push(path);
    }
    this.#collect(value);
    return MASK;
  }

  /** @param {any} value */
  #collect(value) {
    if (typeof value === 'object' && value !== null) {
      Object.values(value).forEach((inner) => this.#collect(inner));
    } else if (value !== null && typeof value !== 'boolean') {
      this.secrets.add(String(value));
      this.secrets.add(JSON.stringify(String(value)).slice(1, -1));
    }
  }

  /** @param {any} value @param {Shape} shape @param {string} path @param {string} prefix @returns {any} */
  #members(value, shape, path, prefix) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !this.#reach.within(shape)) {
      return value;
    }
    let shown = { ...value };
    const { fields, union, discriminator } = membersOf(shape, this.#tables);
    for (const field of [...fields, ...union]) {
      if (field.flatten && !field.sensitive) {
        shown = this.#members(shown, field.shape, path, prefix + field.flatten.prefix);
        continue;
      }
      const isTagged = discriminator?.value_name && union.includes(field);
      if (isTagged && value[prefix + discriminator.name] !== field.name) {
        continue;
      }
      const name = prefix + (isTagged ? discriminator.value_name : field.name);
      if (Object.hasOwn(shown, name)) {
        shown[name] = this.value(shown[name], field, `${path}.${name}`);
      }
    }
    return shown;
  }
}
