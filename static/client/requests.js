// @ts-check
/**
 * The gateway's requests for callbacks of this page, and their answers. Knows no socket; what a callback is and does is
 * its owner's business.
 */
import { GatewayError, errorToAnswer } from './errors.js';
import { textOf } from './messages.js';

/** @typedef {{result: unknown, callbacks: string[]}} CallbackResult JSON, and the names of callbacks in it */

/**
 * @typedef {object} RequestEvents
 * @property {(name: string, method: string, params: unknown[], signal: () => AbortSignal) => Promise<CallbackResult>} callback
 *   starts a callback before it returns; `signal` makes what tells it that nobody waits any more
 * @property {(callbacks: string[], accepted: boolean) => void} settled a message that carried these was answered or dropped
 * @property {(json: unknown) => void} unclaimed something came that nobody waits for any more
 */

/**
 * @typedef {object} Request
 * @property {unknown} id
 * @property {string} method
 * @property {unknown} [params]
 */

/** @typedef {{abort?: AbortController}} Run of a callback, with what tells it to stop, if it asked for that */

export class Requests {
  #events;
  #post;
  /** Those that somebody waits for, by the ids of their requests. @type {Map<unknown, Run>} */
  #running = new Map();
  /** Ids that the gateway calls off in the frame that is being taken. @type {Set<unknown>} */
  #calledOff = new Set();

  /**
   * @param {RequestEvents} events
   * @param {(message: import('./outbox.js').Message) => void} post
   */
  constructor(events, post) {
    this.#events = events;
    this.#post = post;
  }

  /**
   * Look which requests of a frame are called off in the same frame; those are not begun at all.
   * @param {any[]} messages
   */
  lookAhead(messages) {
    const cancels = messages.filter((message) => message?.method === 'rpc.cancel');
    this.#calledOff = new Set(cancels.map((message) => message.params?.id));
  }

  /**
   * Note that nobody waits for the answer of a request any more. What runs is told, if it asked for that; what runs on
   * does so for nothing, as its answer is dropped.
   * @param {unknown} id
   */
  callOff(id) {
    const run = this.#running.get(id);
    this.#running.delete(id);
    run?.abort?.abort(new GatewayError('cancelled', 'the call was given up'));
  }

  /** The session is lost, and whoever waited with it. */
  callOffAll() {
    for (const id of this.#running.keys()) {
      this.callOff(id);
    }
  }

  /**
   * Run the callback that a request is for and post the answer. Callbacks are started in the order in which their
   * requests came.
   * @param {Request} request
   */
  async answer(request) {
    const { id, method, params } = request;
    if (this.#calledOff.has(id)) {
      this.#events.unclaimed(params);
      return;
    }
    /** @type {Run} */
    const run = {};
    this.#running.set(id, run);
    const signal = () => (run.abort ??= new AbortController()).signal;
    /** @param {object} outcome @param {string[]} callbacks @param {(error: GatewayError) => void} refuse */
    const answer = (outcome, callbacks, refuse) => {
      const settled = (/** @type {boolean} */ accepted) => this.#events.settled(callbacks, accepted);
      if (this.#running.get(id) !== run) {
        settled(false);
        return;
      }
      this.#post({
        text: textOf({ id, ...outcome }),
        // The gateway says nothing about an answer: once it is written, the gateway holds what the answer carries.
        written: () => {
          this.#running.delete(id);
          settled(true);
        },
        dropped: () => settled(false),
        refused: (bytes, limit) => {
          settled(false);
          refuse(tooLarge(`the answer of ${method}`, bytes, limit));
        },
      });
    };
    /** @param {unknown} reason */
    const fail = (reason) => answer({ error: errorToAnswer(reason) }, [], () => {});
    try {
      const [, name, member] = /^!([^.]*)\.(.+)$/s.exec(method) ?? [];
      if (name === undefined || !Array.isArray(params)) {
        throw new GatewayError('unimplemented', `this client has no callback ${method}`);
      }
      const { result, callbacks } = await this.#events.callback(name, member, params, signal);
      answer({ result: result ?? null }, callbacks, fail);
    } catch (reason) {
      fail(reason);
    }
  }
}

/**
 * @param {string} what
 * @param {number} size
 * @param {number} limit of the gateway
 * @param {string} [unit]
 */
export function tooLarge(what, size, limit, unit = 'bytes') {
  return new GatewayError(
    'too_large',
    `${what} has ${size} ${unit}; the gateway takes no more than ${limit} in a message`,
  );
}

/**
 * @param {string} what
 * @param {number} values elements and members
 * @param {number} [limit] of the gateway; it does not say so before hello
 */
export function tooMany(what, values, limit) {
  if (limit && values > limit) {
    throw tooLarge(what, values, limit, 'values');
  }
}
