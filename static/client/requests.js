// @ts-check
/**
 * The gateway's requests for callbacks of this page, and their answers. Knows no socket; what a callback is and does is
 * its owner's business.
 */
import { GatewayError, errorToAnswer } from './errors.js';

/** @typedef {{result: unknown, callbacks: string[]}} CallbackResult JSON, and the names of callbacks in it */

/**
 * @typedef {object} RequestEvents
 * @property {(name: string, method: string, params: unknown[]) => Promise<CallbackResult>} callback starts a callback before it returns
 * @property {(callbacks: string[], accepted: boolean) => void} settled a message that carried these was answered or dropped
 * @property {(json: unknown) => void} unclaimed something came that nobody waits for any more
 */

/**
 * @typedef {object} Request
 * @property {unknown} id
 * @property {string} method
 * @property {unknown} [params]
 */

export class Requests {
  #events;
  #post;
  /** Those that somebody waits for, by their ids. @type {Map<unknown, Request>} */
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
   * Note that nobody waits for the answer of a request any more. What runs runs on, but its answer is dropped.
   * @param {unknown} id
   */
  callOff(id) {
    this.#running.delete(id);
  }

  /** The session is lost, and whoever waited with it. */
  callOffAll() {
    this.#running.clear();
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
    this.#running.set(id, request);
    /** @param {object} outcome @param {string[]} callbacks @param {(error: GatewayError) => void} refuse */
    const answer = (outcome, callbacks, refuse) => {
      const settled = (/** @type {boolean} */ accepted) => this.#events.settled(callbacks, accepted);
      if (this.#running.get(id) !== request) {
        settled(false);
        return;
      }
      this.#post({
        text: JSON.stringify({ jsonrpc: '2.0', id, ...outcome }),
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
        throw new GatewayError('unimplemented', `${method} is not a callback of this client`);
      }
      const { result, callbacks } = await this.#events.callback(name, member, params);
      answer({ result: result ?? null }, callbacks, fail);
    } catch (reason) {
      fail(reason);
    }
  }
}

/** @param {string} what @param {number} bytes @param {number} limit */
export function tooLarge(what, bytes, limit) {
  return new GatewayError(
    'too_large',
    `${what} has ${bytes} bytes; the gateway takes no more than ${limit} in a message`,
  );
}
