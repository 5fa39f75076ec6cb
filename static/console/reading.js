// @ts-check
/** Drafts → JSON. Says of each value that is none where it stands and what is permitted; the gateway has the last word. */
import { kindOf, membersOf } from './description.js';
import { memberDraft } from './drafts.js';
import { parseJson } from './json-text.js';
import { readData, readFloat, readInteger } from './scalars.js';

/** @typedef {import('./description.js').Field} Field */
/** @typedef {import('./description.js').Shape} Shape */
/** @typedef {import('./description.js').Tables} Tables */
/** @typedef {import('./drafts.js').Draft} Draft */
/** @typedef {import('./drafts.js').Place} Place */
/** @typedef {{path: string, message: string}} Problem */

/**
 * @typedef {object} Reading
 * @property {Tables} tables
 * @property {Problem[]} problems grows
 * @property {(draft: import('./drafts.js').ObjectDraft, field: {name: string, shape: Shape}, path: string) => string} callback
 *   the name that a callback is passed under; `path` from the parameters: `$.pair.first`
 */

/** A reading that makes nothing but JSON. @param {Tables} tables @returns {Reading} */
export function previewReading(tables) {
  return { tables, problems: [], callback: (draft, _, path) => draft.name || callbackName(path) };
}

/** A name for a callback at a path, or one with a name that somebody wants. @param {string} path */
export function callbackName(path) {
  const name = path.replace(/^\$\./, '').replaceAll(/\]/g, '');
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(-40) || 'callback';
}

/**
 * @param {Draft} draft
 * @param {Field} field
 * @param {Place} place
 * @param {string} path of the value
 * @param {Reading} reading
 * @returns {any} undefined: it is left out
 */
export function valueOf(draft, field, place, path, reading) {
  const { shape } = field;
  const mustStand = place !== 'member';
  try {
    switch (draft.kind) {
      case 'list':
        return draft.given || draft.items.length > 0 || mustStand ? listOf(draft, field, path, reading) : undefined;
      case 'members':
        return draft.given || mustStand ? structValue(draft, shape, mustStand, path, reading) : undefined;
      case 'object':
        return objectValue(draft, field, mustStand, path, reading);
      case 'data':
        return draft.text === '' && !draft.given && !mustStand
          ? undefined
          : readData(draft.text, draft.how === 'file' ? 'base64' : draft.how, shape.encoding);
      default:
        return scalarValue(draft, field, mustStand, reading);
    }
  } catch (error) {
    reading.problems.push({ path, message: /** @type {Error} */ (error).message });
    return null;
  }
}

/** @param {import('./drafts.js').TextDraft} draft @param {Field} field @param {boolean} mustStand @param {Reading} reading */
function scalarValue({ text, given }, field, mustStand, { tables }) {
  const { shape } = field;
  const { control, sample } = kindOf(shape);
  if (control === 'text') {
    return text === '' && !given && !mustStand ? undefined : text;
  }
  if (control === 'nothing') {
    return mustStand ? null : undefined;
  }
  if (text.trim() === '') {
    const values = tables.enums[shape.name ?? '']?.values;
    const zero = control === 'choice' ? (values?.[0]?.name ?? 0) : sample;
    return mustStand ? (field.default ?? zero) : undefined;
  }
  switch (control) {
    case 'flag':
      return text === 'true';
    case 'integer':
      return readInteger(text, shape);
    case 'float':
      return readFloat(text, shape);
    case 'choice':
      // A number that the schema has no name for: a newer service may know it.
      return /^\d+$/.test(text) ? Number(text) : text;
    default:
      return parseJson(text);
  }
}

/** @param {import('./drafts.js').ListDraft} draft @param {Field} field @param {string} path @param {Reading} reading */
function listOf(draft, field, path, reading) {
  const element = elementField(field);
  return draft.items.map((item, index) => valueOf(item, element, 'element', `${path}[${index}]`, reading));
}

/** An element of a list as if it were a field. @param {Field} field @returns {Field} */
export function elementField({ name, type, shape, sensitive }) {
  const inner = /^List\((.*)\)$/s.exec(type)?.[1] ?? shape.element?.name ?? shape.element?.kind ?? '';
  return { name, type: inner, shape: shape.element ?? { kind: 'json' }, sensitive };
}

/**
 * @param {import('./drafts.js').MembersDraft} draft
 * @param {Shape} shape
 * @param {string} path of the object that they stand in
 * @param {Reading} reading
 * @param {string} prefix of their names there
 * @returns {Record<string, unknown>}
 */
export function membersValue(draft, shape, path, reading, prefix) {
  /** @type {[string, unknown][]} */
  const entries = [];
  const { fields, union, discriminator } = membersOf(shape, reading.tables);
  /** @param {Field} field @param {Place} place @param {string} name */
  const add = (field, place, name) => {
    const inner = memberDraft(draft, field);
    if (field.flatten && inner.kind === 'members') {
      const flat = membersValue(inner, field.shape, path, reading, prefix + field.flatten.prefix);
      entries.push(...Object.entries(flat));
      return;
    }
    const value = valueOf(inner, field, place, `${path}.${name}`, reading);
    if (value !== undefined) {
      entries.push([name, value]);
    }
  };
  fields.forEach((field) => add(field, 'member', prefix + field.name));
  const chosen = union.find(({ name }) => name === draft.which);
  if (chosen) {
    if (discriminator) {
      entries.push([prefix + discriminator.name, chosen.name]);
    }
    // Of a void the tag says all.
    if (!(discriminator && chosen.shape.kind === 'void')) {
      add(chosen, 'variant', prefix + (discriminator?.value_name || chosen.name));
    }
  }
  return Object.fromEntries(entries);
}

/**
 * A struct that somebody opened is sent, be it empty; a group is always open, and sent with what is in it.
 * @param {import('./drafts.js').MembersDraft} draft
 * @param {Shape} shape
 * @param {boolean} mustStand
 * @param {string} path
 * @param {Reading} reading
 */
function structValue(draft, shape, mustStand, path, reading) {
  const value = membersValue(draft, shape, path, reading, '');
  return shape.kind === 'group' && !mustStand && Object.keys(value).length === 0 ? undefined : value;
}

/**
 * @param {import('./drafts.js').ObjectDraft} draft
 * @param {Field} field
 * @param {boolean} mustStand
 * @param {string} path
 * @param {Reading} reading
 */
function objectValue(draft, field, mustStand, path, reading) {
  if (draft.choice === 'none') {
    return mustStand ? null : undefined;
  }
  if (draft.choice === 'object') {
    if (!draft.token) {
      throw new Error('choose an object, or pass a callback or nothing');
    }
    return { $handle: draft.token };
  }
  return { $callback: reading.callback(draft, field, path) };
}
