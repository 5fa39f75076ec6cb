// @ts-check
/**
 * What stands in one method's form: its draft, the same as JSON, what is wrong with it, and what goes beside the call.
 * Form and JSON stay in step, whichever is typed in. Knows no page.
 */
import { membersDraft } from './checking.js';
import { paramsShape } from './description.js';
import { paramsDraft, storable } from './drafts.js';
import { parseJson, writeJson } from './json-text.js';
import { membersValue, previewReading } from './reading.js';
import { MASK, Redaction } from './secrets.js';

/** @typedef {import('./description.js').Method} Method */
/** @typedef {import('./description.js').Tables} Tables */
/** @typedef {import('./reading.js').Problem} Problem */

/** What is said beside a call, and how people call it. @type {[string, string][]} */
export const BESIDE = [
  ['request_id', 'Request id'],
  ['idempotency_key', 'Idempotency key'],
  ['traceparent', 'Traceparent'],
];

// Of one text that is stored: a file in a form is chosen again.
const MOST_STORED_CHARS = 100_000;

/**
 * @typedef {object} Stored plain data
 * @property {import('./drafts.js').Draft} draft
 * @property {'form' | 'json'} mode
 * @property {string} [text] as JSON, where it is none yet
 * @property {string} timeout_s
 * @property {Record<string, string>} beside
 */

export class CallState {
  method;
  tables;
  #shape;
  draft;
  /** @type {'form' | 'json'} */
  mode = 'form';
  /** What somebody typed as JSON. */
  text = '';
  /** Why that is no JSON. @type {string | undefined} */
  syntax;
  /** @type {Problem[]} */
  problems = [];
  /** What the gateway said is wrong, until something is typed. @type {Problem | undefined} */
  refusal;
  timeout_s = '';
  /** @type {Record<string, string>} */
  beside = {};

  /** @param {Method} method @param {Tables} tables */
  constructor(method, tables) {
    this.method = method;
    this.tables = tables;
    this.#shape = paramsShape(method);
    this.draft = paramsDraft(this.#shape, tables);
    this.typed();
  }

  /** Something was typed in the form. */
  typed() {
    const reading = previewReading(this.tables);
    const value = this.#value(reading);
    this.problems = reading.problems;
    this.syntax = undefined;
    this.refusal = undefined;
    this.text = writeJson(new Redaction(this.tables).params(value, this.method), 2);
  }

  /** Something was typed as JSON. @param {string} text */
  typedJson(text) {
    this.text = text;
    this.refusal = undefined;
    try {
      const parsed = parseJson(text.trim() || '{}');
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
        throw new Error('expected an object of parameters by name');
      }
      this.syntax = undefined;
      this.#take(parsed);
    } catch (error) {
      this.syntax = /** @type {Error} */ (error).message;
      this.problems = [];
    }
  }

  /** Take values, such as those of an entry or an address. @param {any} params JSON by name */
  fill(params) {
    this.#take(params);
    this.typed();
  }

  /** Begin anew. */
  reset() {
    this.draft = paramsDraft(this.#shape, this.tables);
    this.typed();
  }

  /** @param {any} value */
  #take(value) {
    const secret = this.#value(previewReading(this.tables));
    const check = { tables: this.tables, problems: /** @type {Problem[]} */ ([]) };
    this.draft = membersDraft(withSecrets(value, secret), this.#shape, '$', check);
    const reading = previewReading(this.tables);
    this.#value(reading);
    const known = new Set(check.problems.map(({ path }) => path));
    this.problems = [...check.problems, ...reading.problems.filter(({ path }) => !known.has(path))];
  }

  /** @param {import('./reading.js').Reading} reading */
  #value(reading) {
    return membersValue(this.draft, this.#shape, '$', reading, '');
  }

  /** Whether it can be sent. */
  get isWhole() {
    return this.syntax === undefined && this.problems.length === 0 && this.deadlineProblem === '';
  }

  /** Why what stands in the deadline's field is none; '' if it is one, or there is none. */
  get deadlineProblem() {
    const seconds = Number(this.timeout_s);
    const isFine = this.timeout_s.trim() === '' || (seconds > 0 && Number.isFinite(seconds));
    return isFine ? '' : `expected a number of seconds above 0, got ${JSON.stringify(this.timeout_s)}`;
  }

  /**
   * The parameters to send.
   * @param {import('./reading.js').Reading['callback']} callback makes the callbacks
   * @returns {Record<string, unknown>}
   */
  params(callback) {
    return this.#value({ tables: this.tables, problems: [], callback });
  }

  /** The parameters without secrets, for an address. */
  get shared() {
    const value = this.#value(previewReading(this.tables));
    return withoutMasks(new Redaction(this.tables).params(value, this.method));
  }

  /** Milliseconds, if somebody set a deadline. @returns {number | undefined} */
  get timeout_ms() {
    return this.timeout_s.trim() !== '' && this.deadlineProblem === '' ? Number(this.timeout_s) * 1000 : undefined;
  }

  /** Said beside the call. */
  get meta() {
    return Object.fromEntries(Object.entries(this.beside).filter(([, text]) => text !== ''));
  }

  /** @returns {Stored} without secrets */
  save() {
    const draft = storable(this.draft, this.#shape, this.tables, MOST_STORED_CHARS);
    const isUnfinished = this.syntax !== undefined && !holdsSecrets(this.method, this.tables);
    const text = isUnfinished ? this.text.slice(0, MOST_STORED_CHARS) : undefined;
    return { draft, mode: this.mode, text, timeout_s: this.timeout_s, beside: this.beside };
  }

  /** @param {Stored} stored */
  restore({ draft, mode, text, timeout_s, beside }) {
    this.draft = /** @type {import('./drafts.js').MembersDraft} */ (draft);
    this.mode = mode;
    this.timeout_s = timeout_s;
    this.beside = beside;
    this.typed();
    if (text !== undefined) {
      this.typedJson(text);
    }
  }
}

/** @param {Method} method @param {Tables} tables */
function holdsSecrets(method, tables) {
  return (
    method.params.some(({ sensitive }) => sensitive) || JSON.stringify(tables.structs).includes('"sensitive":true')
  );
}

/** Put the secrets back that the JSON shows as masks. @param {any} value @param {any} secret @returns {any} */
function withSecrets(value, secret) {
  if (value === MASK) {
    return secret ?? '';
  }
  if (Array.isArray(value)) {
    return value.map((item, index) => withSecrets(item, secret?.[index]));
  }
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withSecrets(item, secret?.[name])]))
    : value;
}

/** @param {any} value @returns {any} */
function withoutMasks(value) {
  if (Array.isArray(value)) {
    return value.map((item) => (item === MASK ? null : withoutMasks(item)));
  }
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(
        Object.entries(value)
          .filter(([, item]) => item !== MASK)
          .map(([name, item]) => [name, withoutMasks(item)]),
      )
    : value;
}
