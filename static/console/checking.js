// @ts-check
/**
 * JSON → drafts, so that a form shows what somebody wrote as JSON; what does not fit the schema is said with its path.
 */
import { kindOf, membersOf } from './description.js';
import { emptyDraft } from './drafts.js';
import { writeJson } from './json-text.js';
import { elementField } from './reading.js';
import { kindName, readFloat, readInteger, toBase64 } from './scalars.js';

/** @typedef {import('./description.js').Field} Field */
/** @typedef {import('./description.js').Shape} Shape */
/** @typedef {import('./description.js').Tables} Tables */
/** @typedef {import('./drafts.js').Draft} Draft */
/** @typedef {import('./reading.js').Problem} Problem */

/** @typedef {{tables: Tables, problems: Problem[]}} Check */

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as it stands in a message. @param {any} value */
function shown(value) {
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : 'an object';
  }
  const text = typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/**
 * @param {any} value
 * @param {Field} field
 * @param {string} path
 * @param {Check} check
 * @returns {Draft} of what could be read
 */
export function draftOf(value, field, path, check) {
  const { shape } = field;
  const draft = emptyDraft(shape);
  /** @param {string} expected */
  const misfit = (expected) => {
    check.problems.push({ path, message: `expected ${expected}, got ${shown(value)}` });
    return draft;
  };
  if (value === undefined) {
    return draft;
  }
  if (draft.kind === 'members') {
    return isObject(value)
      ? membersDraft(value, shape, path, check)
      : value === null
        ? draft
        : misfit(`an object (${field.type})`);
  }
  if (draft.kind === 'list') {
    if (!Array.isArray(value)) {
      return value === null ? draft : misfit(`an array (${field.type})`);
    }
    const element = elementField(field);
    const items = value.map((item, index) => draftOf(item, element, `${path}[${index}]`, check));
    return { kind: 'list', items, given: true };
  }
  if (draft.kind === 'object') {
    return objectDraft(value, draft) ?? misfit('{"$handle": …}, {"$callback": …} or null');
  }
  if (draft.kind === 'data') {
    return dataDraft(value, draft, shape) ?? misfit('base64 or an array of bytes');
  }
  const { control } = kindOf(shape);
  if (control === 'json') {
    return { kind: 'text', text: writeJson(value, 2) };
  }
  if (control === 'nothing' || (value === null && (control === 'text' || control === 'float'))) {
    return control === 'float' ? { kind: 'text', text: 'NaN' } : draft;
  }
  return scalarDraft(value, field, path, check) ?? misfit(expectation(shape, check.tables));
}

/** @param {Shape} shape @param {Tables} tables */
function expectation(shape, tables) {
  const names = tables.enums[shape.name ?? '']?.values.map(({ name }) => name);
  return names ? `one of ${names.slice(0, 12).join(', ')}` : kindName(shape.kind);
}

/** A number as one types it; one beyond all that there are is no infinity, for which there is the word. @param {number} value */
function numberText(value) {
  return Number.isFinite(value) ? String(value) : `${value < 0 ? '-' : ''}1e999`;
}

/** @param {any} value @param {Field} field @param {string} path @param {Check} check @returns {Draft | undefined} */
function scalarDraft(value, { shape }, path, { tables, problems }) {
  const { control } = kindOf(shape);
  const text = typeof value === 'object' ? undefined : typeof value === 'number' ? numberText(value) : String(value);
  if (text === undefined) {
    return undefined;
  }
  const isText = typeof value === 'string';
  try {
    switch (control) {
      case 'text':
        return isText ? { kind: 'text', text, given: true } : undefined;
      case 'flag':
        return typeof value === 'boolean' ? { kind: 'text', text } : undefined;
      case 'choice': {
        const names = tables.enums[shape.name ?? '']?.values ?? [];
        const known = isText ? names.some(({ name }) => name === text) : /^\d{1,5}$/.test(text);
        return known ? { kind: 'text', text: names.find(({ number }) => number === value)?.name ?? text } : undefined;
      }
      case 'integer':
        if (typeof value === 'boolean') {
          return undefined;
        }
        readInteger(Number.isInteger(value) ? BigInt(value).toString() : text, shape);
        return { kind: 'text', text: Number.isInteger(value) ? BigInt(value).toString() : text };
      default:
        if (typeof value === 'boolean') {
          return undefined;
        }
        readFloat(text, shape);
        return { kind: 'text', text };
    }
  } catch (error) {
    problems.push({ path, message: /** @type {Error} */ (error).message });
    return { kind: 'text', text };
  }
}

/** @param {any} value @param {import('./drafts.js').ObjectDraft} draft @returns {Draft | undefined} */
function objectDraft(value, draft) {
  if (value === null) {
    return { ...draft, choice: 'none' };
  }
  if (isObject(value) && typeof value.$handle === 'string') {
    return { ...draft, choice: 'object', token: value.$handle };
  }
  if (isObject(value) && typeof value.$callback === 'string' && /^[\w-]{1,64}$/.test(value.$callback)) {
    return { ...draft, choice: 'callback', name: value.$callback };
  }
  return undefined;
}

/** @param {any} value @param {import('./drafts.js').DataDraft} draft @param {Shape} shape @returns {Draft | undefined} */
function dataDraft(value, draft, shape) {
  if (value === null) {
    return draft;
  }
  if (typeof value === 'string') {
    return { kind: 'data', how: shape.encoding === 'hex' ? 'hex' : 'base64', text: value, given: true };
  }
  const isBytes =
    Array.isArray(value) && value.every((byte) => Number.isInteger(byte) && Number(byte) >= 0 && Number(byte) <= 255);
  return isBytes ? { kind: 'data', how: 'base64', text: toBase64(Uint8Array.from(value)), given: true } : undefined;
}

/**
 * @param {Record<string, unknown>} value
 * @param {Shape} shape
 * @param {string} path
 * @param {Check} check
 * @returns {import('./drafts.js').MembersDraft}
 */
export function membersDraft(value, shape, path, check) {
  /** @type {Set<string>} */
  const used = new Set();
  const draft = takeMembers(value, shape, path, check, '', used);
  for (const name of Object.keys(value)) {
    if (!used.has(name)) {
      const near = nearest(name, memberNames(shape, check.tables));
      check.problems.push({ path: `${path}.${name}`, message: `unknown member${near && `; did you mean "${near}"?`}` });
    }
  }
  return draft;
}

/**
 * @param {Record<string, unknown>} value
 * @param {Shape} shape
 * @param {string} path
 * @param {Check} check
 * @param {string} prefix of the members' names in `value`
 * @param {Set<string>} used grows
 * @returns {import('./drafts.js').MembersDraft}
 */
function takeMembers(value, shape, path, check, prefix, used) {
  const { fields, union, discriminator } = membersOf(shape, check.tables);
  /** @type {[string, Draft][]} */
  const members = [];
  /** @param {Field} field @param {string} name */
  const take = (field, name) => {
    if (field.flatten) {
      members.push([field.name, takeMembers(value, field.shape, path, check, prefix + field.flatten.prefix, used)]);
    } else if (Object.hasOwn(value, name)) {
      used.add(name);
      members.push([field.name, draftOf(value[name], field, `${path}.${name}`, check)]);
    }
  };
  fields.forEach((field) => take(field, prefix + field.name));
  const chosen = chosenOf(value, union, discriminator, path, check, prefix, used);
  if (chosen) {
    take(chosen, prefix + (discriminator?.value_name || chosen.name));
  }
  return { kind: 'members', given: true, members: Object.fromEntries(members), which: chosen?.name ?? '' };
}

/**
 * Which member of the union the JSON sets.
 * @param {Record<string, unknown>} value
 * @param {Field[]} union
 * @param {import('./description.js').Discriminator | undefined} discriminator
 * @param {string} path
 * @param {Check} check
 * @param {string} prefix
 * @param {Set<string>} used
 */
function chosenOf(value, union, discriminator, path, check, prefix, used) {
  const tag = discriminator && prefix + discriminator.name;
  if (tag !== undefined && Object.hasOwn(value, tag)) {
    used.add(tag);
    const chosen = union.find(({ name }) => name === value[tag]);
    if (!chosen) {
      const permitted = union.map(({ name }) => name).join(', ');
      check.problems.push({
        path: `${path}.${tag}`,
        message: `expected one of ${permitted}, got ${shown(value[tag])}`,
      });
    }
    return chosen;
  }
  const set = union.filter(({ name }) => Object.hasOwn(value, prefix + name) && value[prefix + name] !== undefined);
  const meant = set.filter(({ name, shape }) => value[prefix + name] !== null || shape.kind === 'void');
  if (meant.length > 1) {
    const names = meant.map(({ name }) => JSON.stringify(prefix + name)).join(' and ');
    check.problems.push({ path, message: `${names} are members of one union; give one` });
    meant.forEach(({ name }) => used.add(prefix + name));
  }
  set.forEach(({ name }) => used.add(prefix + name));
  return meant[0] ?? set[0];
}

/** @param {Shape} shape @param {Tables} tables */
function memberNames(shape, tables) {
  const { fields, union } = membersOf(shape, tables);
  return [...fields, ...union].map(({ name }) => name);
}

/** The name that was meant, if one is near enough. @param {string} name @param {string[]} names */
export function nearest(name, names) {
  const small = name.toLowerCase();
  return (
    names.find((other) => other.toLowerCase() === small) ??
    names.find((other) => isOneEdit(small, other.toLowerCase())) ??
    ''
  );
}

/** @param {string} one @param {string} other */
function isOneEdit(one, other) {
  if (Math.abs(one.length - other.length) > 1 || Math.max(one.length, other.length) < 3) {
    return false;
  }
  let start = 0;
  while (start < one.length && one[start] === other[start]) {
    start++;
  }
  let end = 0;
  while (end < Math.min(one.length, other.length) - start && one.at(-1 - end) === other.at(-1 - end)) {
    end++;
  }
  return Math.max(one.length, other.length) - start - end <= 2 && Math.min(one.length, other.length) - start - end <= 2;
}
