// @ts-check
/** What happened on this page, in order: calls, callbacks and what became of the connection. Knows no page. */

/**
 * @typedef {object} Entry plain data, so that it can be stored
 * @property {number} n its number; later ones are greater
 * @property {number} at when it began, in milliseconds since 1970
 * @property {'call' | 'callback' | 'event'} kind
 * @property {string} title `find("Ann")`, or the words of an event
 * @property {string} status `waiting`, `ok`, an event's word, or the code of the error
 * @property {string} [service]
 * @property {string} [method]
 * @property {string} [place] where its form is: `addressbook.find`, `@3.update`
 * @property {string} [target] `addressbook`, or the token of an object behind `@`
 * @property {any} [params] JSON by name, without secrets
 * @property {string[]} [secrets] paths of what is not in `params`
 * @property {string[]} [untexted] those of it that are no texts in JSON
 * @property {Record<string, string>} [meta] said beside the call
 * @property {number} [timeout_ms]
 * @property {string} [wireId] of its message
 * @property {string} [sent] the text of the message, without secrets
 * @property {string} [received]
 * @property {number} [sentBytes]
 * @property {number} [receivedBytes]
 * @property {number} [ms] how long it took
 * @property {any} [result] JSON, without secrets
 * @property {string} [resultName] of the only result
 * @property {string} [message] of the error
 * @property {string} [path] of the bad value
 * @property {string} [requestId]
 * @property {number} [times] how often it was written, if more than once
 * @property {boolean} [cut] its texts were let go
 */

/** @typedef {(what: 'added' | 'changed' | 'cleared', entries: Entry[]) => void} Listener */

/** @typedef {{text: string, kind: '' | 'call' | 'callback' | 'event' | 'failed'}} Filter */

const MOST_ENTRIES = 10_000;
// Of all texts together: a page that runs for days must not take the machine's memory.
const MOST_CHARS = 48_000_000;
// In long texts only the beginning is searched.
const SEARCHED_CHARS = 20_000;
const MOST_TIMES = 500;

export class Timeline {
  /** Oldest first. @type {Entry[]} */
  entries = [];
  #listener;
  #last = 0;
  #chars = 0;
  /** The first that may still have its texts. */
  #whole = 0;

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
  }

  /**
   * Begin with entries of the page before.
   * @param {Entry[]} entries oldest first
   */
  restore(entries) {
    this.entries = [...entries, ...this.entries.map((entry) => ({ ...entry, n: entry.n + (entries.at(-1)?.n ?? 0) }))];
    this.#last = this.entries.at(-1)?.n ?? 0;
    this.#chars = this.entries.reduce((sum, entry) => sum + charsOf(entry), 0);
    this.#whole = 0;
    this.#bound();
    this.#listener('added', this.entries);
  }

  /**
   * @param {Omit<Entry, 'n'>} facts
   * @returns {Entry} the entry; change it with `change`
   */
  add(facts) {
    const entry = { ...facts, n: ++this.#last };
    this.entries.push(entry);
    this.#chars += charsOf(entry);
    this.#bound();
    this.#listener('added', [entry]);
    return entry;
  }

  /** @param {Entry} entry @param {Partial<Entry>} facts */
  change(entry, facts) {
    this.#chars -= charsOf(entry);
    Object.assign(entry, facts);
    this.#chars += charsOf(entry);
    this.#bound();
    this.#listener('changed', [entry]);
  }

  clear() {
    this.entries = [];
    this.#chars = 0;
    this.#whole = 0;
    this.#listener('cleared', []);
  }

  /**
   * The newest entries that match, newest first.
   * @param {Filter} filter
   * @param {number} most
   * @param {number} [before] only those with a smaller number
   * @returns {Entry[]}
   */
  newest(filter, most, before = Infinity) {
    const matches = matcher(filter);
    const found = [];
    for (let index = this.entries.length - 1; index >= 0 && found.length < most; index--) {
      const entry = this.entries[index];
      if (entry.n < before && matches(entry)) {
        found.push(entry);
      }
    }
    return found;
  }

  /**
   * How long the last calls took, by service and method, those called last first.
   * @returns {{name: string, times: {n: number, ms: number, ok: boolean}[]}[]}
   */
  latencies() {
    /** @type {Map<string, {n: number, ms: number, ok: boolean}[]>} */
    const methods = new Map();
    for (let index = this.entries.length - 1; index >= 0; index--) {
      const { n, kind, service, method, ms, status } = this.entries[index];
      if (kind !== 'call' || ms === undefined) {
        continue;
      }
      const name = `${service}.${method}`;
      const times = methods.get(name) ?? [];
      methods.set(name, times);
      if (times.length < MOST_TIMES) {
        times.push({ n, ms, ok: status === 'ok' });
      }
    }
    return [...methods].map(([name, times]) => ({ name, times: times.reverse() }));
  }

  #bound() {
    if (this.entries.length > MOST_ENTRIES) {
      const gone = this.entries.splice(0, this.entries.length - MOST_ENTRIES);
      this.#chars -= gone.reduce((sum, entry) => sum + charsOf(entry), 0);
      this.#whole = Math.max(0, this.#whole - gone.length);
    }
    // The newest keeps its texts, however long they are.
    while (this.#chars > MOST_CHARS && this.#whole < this.entries.length - 1) {
      const entry = this.entries[this.#whole++];
      this.#chars -= charsOf(entry);
      if (charsOf(entry) > 0) {
        Object.assign(entry, { sent: undefined, received: undefined, result: undefined, cut: true });
      }
    }
  }
}

/** @param {Entry} entry */
function charsOf({ sent, received }) {
  return (sent?.length ?? 0) + (received?.length ?? 0);
}

/** Whether an entry tells of something that went wrong. @param {Entry} entry */
export function hasFailed({ kind, status }) {
  return kind !== 'event' ? status !== 'ok' && status !== 'waiting' : ['lost', 'closed', 'down'].includes(status);
}

/** @param {Filter} filter @returns {(entry: Entry) => boolean} */
export function matcher({ text, kind }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (entry) => {
    if (kind && (kind === 'failed' ? !hasFailed(entry) : entry.kind !== kind)) {
      return false;
    }
    if (words.length === 0) {
      return true;
    }
    const { title, service, status, message, sent, received } = entry;
    const texts = [title, service, status, message, sent?.slice(0, SEARCHED_CHARS), received?.slice(0, SEARCHED_CHARS)];
    const searched = texts.join('\n').toLowerCase();
    return words.every((word) => searched.includes(word));
  };
}
