// @ts-check
/**
 * What somebody has typed for a value, by its type: a tree that a form shows and that becomes JSON. Knows no page.
 *
 * What is left empty is left out and takes the schema's default; in a list or as the chosen member of a union, where
 * something must stand, it is the type's zero.
 */
import { kindOf, membersOf } from './description.js';

/** @typedef {import('./description.js').Field} Field */
/** @typedef {import('./description.js').Shape} Shape */
/** @typedef {import('./description.js').Tables} Tables */

/** @typedef {{kind: 'text', text: string, given?: boolean}} TextDraft `given`: send it although it is empty */
/** @typedef {{kind: 'data', how: 'text' | 'base64' | 'hex' | 'file', text: string, file?: string, given?: boolean}} DataDraft */
/** @typedef {{kind: 'list', items: Draft[], given: boolean}} ListDraft */
/**
 * @typedef {object} MembersDraft
 * @property {'members'} kind
 * @property {boolean} given
 * @property {Record<string, Draft>} members those that were touched, of the union as well
 * @property {string} which the chosen member of the union; '': none
 */
/**
 * @typedef {object} ObjectDraft
 * @property {'object'} kind
 * @property {'callback' | 'object' | 'none'} choice
 * @property {string} token of the object
 * @property {string} name of the callback, if somebody chose one
 * @property {Record<string, Rule>} rules of the callback, by method
 */
/** @typedef {{how: 'at once' | 'ask' | 'value' | 'fail', text: string}} Rule `text`: JSON, or the words of the failure */
/** @typedef {TextDraft | DataDraft | ListDraft | MembersDraft | ObjectDraft} Draft */

/** @typedef {'member' | 'element' | 'variant'} Place where a value stands; only a member can be left out */

/** @param {Shape} shape @returns {Draft} */
export function emptyDraft(shape) {
  switch (kindOf(shape).control) {
    case 'data':
      return { kind: 'data', how: shape.encoding === 'hex' ? 'hex' : 'text', text: '' };
    case 'list':
      return { kind: 'list', items: [], given: false };
    case 'members':
      return { kind: 'members', given: shape.kind === 'group', members: {}, which: '' };
    case 'object':
      return { kind: 'object', choice: 'none', token: '', name: '', rules: {} };
    default:
      return { kind: 'text', text: '' };
  }
}

/**
 * The draft to begin with for a method's parameters: structs are open, so that one sees what may be typed, and an object
 * is a callback, as most methods are pointless without it.
 * @param {Shape} shape
 * @param {Tables} tables
 * @returns {MembersDraft}
 */
export function paramsDraft(shape, tables) {
  const draft = /** @type {MembersDraft} */ (emptyDraft(shape));
  draft.given = true;
  for (const field of membersOf(shape, tables).fields) {
    const inner = memberDraft(draft, field);
    if (inner.kind === 'members' && !('default' in field)) {
      inner.given = true;
    }
    if (inner.kind === 'object' && field.shape.kind === 'interface') {
      inner.choice = 'callback';
    }
  }
  return draft;
}

/**
 * The draft of a member, made if nobody has touched it.
 * @param {MembersDraft} draft
 * @param {Field} field
 * @returns {Draft}
 */
export function memberDraft(draft, field) {
  if (!Object.hasOwn(draft.members, field.name)) {
    const made = emptyDraft(field.shape);
    if (made.kind === 'members') {
      made.given ||= field.flatten !== undefined;
    }
    // Defined, as a field may be called `__proto__`.
    Object.defineProperty(draft.members, field.name, {
      value: made,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return draft.members[field.name];
}

/**
 * A draft without what is secret in it, and without what is too long to be kept.
 * @param {Draft} draft
 * @param {Shape} shape
 * @param {Tables} tables
 * @param {number} most characters of one text
 * @returns {Draft}
 */
export function storable(draft, shape, tables, most) {
  if (draft.kind === 'list') {
    const element = shape.element ?? { kind: 'json' };
    return { ...draft, items: draft.items.map((item) => storable(item, element, tables, most)) };
  }
  if (draft.kind === 'members') {
    const { fields, union } = membersOf(shape, tables);
    /** @type {[string, Draft][]} */
    const members = [];
    for (const field of [...fields, ...union]) {
      if (Object.hasOwn(draft.members, field.name) && !field.sensitive) {
        members.push([field.name, storable(draft.members[field.name], field.shape, tables, most)]);
      }
    }
    return { ...draft, members: Object.fromEntries(members) };
  }
  if ((draft.kind === 'text' || draft.kind === 'data') && draft.text.length > most) {
    return emptyDraft(shape);
  }
  return draft;
}

/**
 * Whether a draft that was stored is one for this type: its schema may have changed since.
 * @param {any} draft
 * @param {Shape} shape
 * @param {Tables} tables
 * @returns {boolean}
 */
export function fits(draft, shape, tables) {
  const { kind } = emptyDraft(shape);
  if (draft?.kind !== kind) {
    return false;
  }
  if (kind === 'list') {
    const element = shape.element ?? { kind: 'json' };
    return Array.isArray(draft.items) && draft.items.every((/** @type {any} */ item) => fits(item, element, tables));
  }
  if (kind === 'members') {
    const { fields, union } = membersOf(shape, tables);
    return [...fields, ...union].every(
      (field) =>
        !Object.hasOwn(draft.members ?? {}, field.name) || fits(draft.members[field.name], field.shape, tables),
    );
  }
  return true;
}
