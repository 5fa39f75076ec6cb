// @ts-check
/** The objects in a value, found where its type has them: what only looks like one, such as in a `Json.Value`, is data. */
import { membersOf, onlyResult, resultsShape } from './description.js';
import { Reach } from './reach.js';
import { elementField } from './reading.js';

/** @typedef {import('./description.js').Field} Field */
/** @typedef {import('./description.js').Method} Method */
/** @typedef {import('./description.js').Shape} Shape */
/** @typedef {import('./description.js').Tables} Tables */
/** @typedef {{token: string, interfaceName: string | null, path: string}} Found `path` from the value: `.person.updater` */

/** @param {any} value @returns {{$handle: string, interface: string | null} | undefined} */
export function asHandle(value) {
  if (typeof value !== 'object' || value === null || typeof value.$handle !== 'string') {
    return undefined;
  }
  const names = Object.keys(value);
  return names.length === 2 && names.includes('interface') ? value : undefined;
}

/**
 * @param {any} result as it comes: bare if there is but one
 * @param {Method} method
 * @param {Tables} tables
 * @returns {Found[]}
 */
export function foundInResult(result, method, tables) {
  const only = onlyResult(method);
  const search = new Search(tables);
  if (only) {
    search.value(result, only, '');
  } else {
    search.members(result, resultsShape(method), '', '');
  }
  return search.found;
}

/**
 * @param {any[]} args of a callback
 * @param {Method} method
 * @param {Tables} tables
 * @returns {Found[]}
 */
export function foundInArgs(args, method, tables) {
  const search = new Search(tables);
  args.forEach((arg, index) => {
    const field = method.params[index];
    if (method.params_struct) {
      search.members(arg, method.params_struct, '', '');
    } else if (field) {
      search.value(arg, field, `.${field.name}`);
    }
  });
  return search.found;
}

/** Kinds whose values may be or hold any object. */
const UNTYPED = new Set(['anyPointer', 'capability', 'anyStruct', 'anyList']);

class Search {
  /** @type {Found[]} */
  found = [];
  #tables;
  #reach;

  /** @param {Tables} tables */
  constructor(tables) {
    this.#tables = tables;
    this.#reach = new Reach(tables, ({ shape }) => shape.kind === 'interface' || UNTYPED.has(shape.kind));
  }

  /** @param {any} value @param {Field} field @param {string} path */
  value(value, field, path) {
    if (typeof value !== 'object' || value === null || !this.#reach.of(field)) {
      return;
    }
    const { kind } = field.shape;
    if (kind === 'interface' || UNTYPED.has(kind)) {
      this.#reference(value, path, UNTYPED.has(kind));
    } else if (kind === 'list' && Array.isArray(value)) {
      const element = elementField(field);
      value.forEach((item, index) => this.value(item, element, `${path}[${index}]`));
    } else if (kind === 'struct' || kind === 'group') {
      this.members(value, field.shape, path, '');
    }
  }

  /** @param {any} value @param {Shape} shape @param {string} path @param {string} prefix */
  members(value, shape, path, prefix) {
    if (typeof value !== 'object' || value === null) {
      return;
    }
    const { fields, union, discriminator } = membersOf(shape, this.#tables);
    for (const field of [...fields, ...union]) {
      const isTagged = discriminator?.value_name && union.includes(field);
      const name = prefix + (isTagged ? discriminator.value_name : field.name);
      if (field.flatten) {
        this.members(value, field.shape, path, prefix + field.flatten.prefix);
      } else if (Object.hasOwn(value, name) && (!isTagged || value[prefix + discriminator.name] === field.name)) {
        this.value(value[name], field, `${path}.${name}`);
      }
    }
  }

  /** @param {any} value @param {string} path @param {boolean} isAny */
  #reference(value, path, isAny) {
    const handle = asHandle(value);
    if (handle) {
      this.found.push({ token: handle.$handle, interfaceName: handle.interface, path });
    } else if (isAny) {
      Object.entries(value).forEach(([name, inner]) => {
        if (typeof inner === 'object' && inner !== null) {
          this.#reference(inner, Array.isArray(value) ? `${path}[${name}]` : `${path}.${name}`, true);
        }
      });
    }
  }
}
