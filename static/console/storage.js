// @ts-check
/**
 * What survives a reload of the page: the timeline in the browser's database, what was typed in the tab's own storage.
 * Never credentials and secrets: what is given here is without them. Where a browser stores nothing, nothing is lost but
 * the memory.
 */
import { parseJson, writeJson } from './json-text.js';

/** @typedef {import('./timeline.js').Entry} Entry */

const STORE = 'entries';
// What other tabs left behind; nobody comes back to a tab that was closed a day ago.
const OLD_MS = 24 * 3600_000;
const MOST_ENTRIES = 10_000;
const PIECE = 500;
// Longer texts are kept by the page alone.
const MOST_CHARS = 200_000;
const WRITE_MS = 150;

export class EntryStore {
  /** @type {IDBDatabase | undefined} */
  #database;
  #tab;
  /** @type {Map<number, Entry>} */
  #waiting = new Map();
  /** @type {any} */
  #timer;

  /** @param {IDBDatabase | undefined} database @param {string} tab */
  constructor(database, tab) {
    this.#database = database;
    this.#tab = tab;
  }

  /** @param {string} name of the database @param {string} tab that the entries belong to */
  static async open(name, tab) {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(STORE, { keyPath: ['tab', 'n'] }).createIndex('at', 'at');
    };
    try {
      const store = new EntryStore(await done(request), tab);
      store.#dropOld();
      return store;
    } catch {
      // Private windows of some browsers have no database.
      return new EntryStore(undefined, tab);
    }
  }

  /** What is there, oldest first. @returns {Promise<Entry[]>} */
  async load() {
    if (!this.#database) {
      return [];
    }
    /** @type {Entry[]} */
    const entries = [];
    for (let last = 0, more = true; more; ) {
      const range = IDBKeyRange.bound([this.#tab, last], [this.#tab, Infinity], true);
      // In pieces, as to read thousands at once would hold up the page.
      const stored = await done(/** @type {IDBObjectStore} */ (this.#store('readonly')).getAll(range, PIECE));
      entries.push(...stored.map(({ tab: _, ...entry }) => entry));
      last = entries.at(-1)?.n ?? 0;
      more = stored.length === PIECE;
    }
    return entries.slice(-MOST_ENTRIES);
  }

  /** Write an entry soon. @param {Entry} entry */
  put(entry) {
    this.#waiting.set(entry.n, entry);
    this.#timer ??= setTimeout(() => this.flush(), WRITE_MS);
  }

  /** Write what waits now. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const store = this.#store('readwrite');
    for (const entry of this.#waiting.values()) {
      store?.put({ ...bounded(entry), tab: this.#tab });
    }
    this.#waiting.clear();
  }

  /** What waits to be written: a page that goes may be gone before the database has it. */
  get waiting() {
    return [...this.#waiting.values()].map(bounded);
  }

  clear() {
    this.#waiting.clear();
    this.#store('readwrite')?.delete(IDBKeyRange.bound([this.#tab, 0], [this.#tab, Infinity]));
  }

  /** @param {IDBTransactionMode} mode */
  #store(mode) {
    return this.#database?.transaction(STORE, mode).objectStore(STORE);
  }

  #dropOld() {
    const request = this.#store('readwrite')
      ?.index('at')
      .openCursor(IDBKeyRange.upperBound(Date.now() - OLD_MS));
    if (request) {
      request.onsuccess = () => {
        request.result?.delete();
        request.result?.continue();
      };
    }
  }
}

/** @param {Entry} entry @returns {Entry} */
function bounded(entry) {
  const { sent, received } = entry;
  if ((sent?.length ?? 0) + (received?.length ?? 0) <= MOST_CHARS) {
    // BigInts can be cloned, so what was exact stays so.
    return entry;
  }
  return { ...entry, sent: undefined, received: undefined, result: undefined, cut: true };
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function done(request) {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}

/** Plain data in the storage of this tab. */
export class TabStore {
  #prefix;

  /** @param {string} prefix of the names */
  constructor(prefix) {
    this.#prefix = prefix;
  }

  /** @param {string} name @returns {any} undefined: there is none */
  read(name) {
    try {
      return parseJson(sessionStorage.getItem(this.#prefix + name) ?? 'null') ?? undefined;
    } catch {
      return undefined;
    }
  }

  /** Read and remove. @param {string} name @returns {any} */
  take(name) {
    const value = this.read(name);
    this.remove(name);
    return value;
  }

  /** @param {string} name @param {any} value @returns {boolean} whether there was room */
  write(name, value) {
    try {
      sessionStorage.setItem(this.#prefix + name, writeJson(value));
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} name */
  remove(name) {
    sessionStorage.removeItem(this.#prefix + name);
  }
}
