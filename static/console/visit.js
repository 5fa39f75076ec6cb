// @ts-check
/**
 * The page's stay at the gateway: opens the connection, goes on with the stream of the page before a reload, and tells the
 * timeline what becomes of it. What the next page needs lies in the tab's storage between two pages only.
 */
import { Connection } from './connection.js';

/** @typedef {import('../client/session-events.js').State} State */

/**
 * @typedef {object} Events
 * @property {(state: string, details: import('../client/session-events.js').StateDetails) => void} state
 * @property {(reason: string) => void} loggedOut
 */

const KEPT = 'stream';

export class Visit {
  #desk;
  #tab;
  #url;
  #events;
  #prefix;
  #wasOpen = false;

  /**
   * @param {import('./desk.js').Desk} desk
   * @param {import('./storage.js').TabStore} tab
   * @param {string} url of `/ws`
   * @param {string} prefix of ids
   * @param {Events} events
   */
  constructor(desk, tab, url, prefix, events) {
    this.#desk = desk;
    this.#tab = tab;
    this.#url = url;
    this.#prefix = prefix;
    this.#events = events;
  }

  get isOpen() {
    return this.#desk.connection?.isOpen ?? false;
  }

  /** Open the connection, with the stream of the page before if there is one. */
  begin() {
    const kept = this.#tab.take(KEPT);
    const desk = this.#desk;
    this.#wasOpen = false;
    if (kept) {
      desk.objects.restore(kept.objects);
      desk.callbacks.restore(kept.callbacks);
    } else {
      desk.disinherit();
    }
    /** @type {Connection} */
    const connection = new Connection(
      this.#url,
      {
        state: (state, details) => {
          if (desk.connection === connection) {
            this.#changed(state, details);
          }
        },
        reset: ({ reason }) => desk.note('lost', `the session was lost: ${reason}`),
        callback: (...request) => desk.answers.run(...request),
        settled: (names, accepted) => names.forEach((name) => desk.callbackPassed(name, accepted)),
        released: ({ handle, callback, reason }) => this.#released(handle, callback, reason),
        unclaimed: () => {},
        sessionLost: () => {
          desk.objects.clear();
          desk.callbacks.clear();
          desk.answers.lose();
          desk.disinherit();
        },
      },
      desk.wireEvents,
      // What the page before held is shown again.
      { prefix: this.#prefix, resume: kept?.resumption && { ...kept.resumption, anew: false } },
    );
    desk.connection = connection;
  }

  /** Leave for good. */
  end() {
    const { connection } = this.#desk;
    this.#desk.connection = undefined;
    connection?.close();
  }

  /** The page goes; perhaps it is loaded anew. */
  leave() {
    const { connection, objects, callbacks } = this.#desk;
    callbacks.asks.forEach(({ fail }) => fail(new Error('the page was left before it answered')));
    if (connection?.resumption) {
      this.#tab.write(KEPT, {
        resumption: connection.resumption,
        objects: objects.save(),
        callbacks: callbacks.save(),
      });
    }
  }

  /** The page did not go, or came back as it was. */
  stay() {
    this.#tab.remove(KEPT);
  }

  /** @param {State} state @param {import('../client/session-events.js').StateDetails} details */
  #changed(state, details) {
    const { resumed, reason, code, error } = details;
    const why = reason || (code && `code ${code}`) || error?.message || '';
    if (error?.code === 'unauthenticated') {
      this.#events.loggedOut(`The login has ended: ${reason || error.message}`);
      return;
    }
    if (state === 'open') {
      this.#desk.note('open', resumed ? 'connected again: the stream goes on, nothing was lost' : 'connected');
    } else if (state === 'closed') {
      this.#desk.note('closed', `the connection was closed: ${error?.message ?? why}`);
    } else if (this.#wasOpen) {
      this.#desk.note('away', `the connection is away${why && `: ${why}`}`);
    }
    this.#wasOpen = state === 'open';
    this.#events.state(state, details);
  }

  /** @param {unknown} handle @param {unknown} callback @param {unknown} reason */
  #released(handle, callback, reason) {
    const why = typeof reason === 'string' && reason ? `: ${reason}` : '';
    const object = typeof handle === 'string' ? this.#desk.objects.remove(handle) : undefined;
    if (object) {
      this.#desk.note('released', `${object.label} is no more${why}`, object.service);
    }
    const gone = typeof callback === 'string' ? this.#desk.callbacks.remove(callback) : undefined;
    if (gone) {
      this.#desk.note('released', `nobody holds ${gone.label} any more${why}`, gone.service);
    }
  }
}
