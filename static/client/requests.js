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
 */

/**
 * Run the callback that a request is for and post the answer. Callbacks are started in the order in which their requests
 * came.
 * @param {{id: unknown, method: string, params?: unknown}} request
 * @param {RequestEvents} events
 * @param {(message: import('./outbox.js').Message) => boolean} post false: the session is lost, and nobody waits
 */
export async function answerRequest({ id, method, params }, events, post) {
  /** @param {object} outcome @param {string[]} callbacks @param {(error: GatewayError) => void} refuse */
  const answer = (outcome, callbacks, refuse) => {
    const posted = post({
      text: JSON.stringify({ jsonrpc: '2.0', id, ...outcome }),
      // The gateway says nothing about an answer: once it is written, the gateway holds what the answer carries.
      written: () => events.settled(callbacks, true),
      dropped: () => events.settled(callbacks, false),
      refused: (bytes, limit) => {
        events.settled(callbacks, false);
        refuse(tooLarge(`the answer of ${method}`, bytes, limit));
      },
    });
    if (!posted) {
      events.settled(callbacks, false);
    }
  };
  /** @param {unknown} reason */
  const fail = (reason) => answer({ error: errorToAnswer(reason) }, [], () => {});
  try {
    const [, name, member] = /^!([^.]*)\.(.+)$/s.exec(method) ?? [];
    if (name === undefined || !Array.isArray(params)) {
      throw new GatewayError('unimplemented', `${method} is not a callback of this client`);
    }
    const { result, callbacks } = await events.callback(name, member, params);
    answer({ result: result ?? null }, callbacks, fail);
  } catch (reason) {
    fail(reason);
  }
}

/** @param {string} what @param {number} bytes @param {number} limit */
export function tooLarge(what, bytes, limit) {
  return new GatewayError(
    'too_large',
    `${what} has ${bytes} bytes; the gateway takes no more than ${limit} in a message`,
  );
}
