// @ts-check
/** Listens at the wire: which text each call, answer and callback was, whatever frames they travelled in. */
import { parseJson, writeJson } from './json-text.js';

/**
 * @typedef {object} WireEvents
 * @property {(id: string, text: string, message: any) => void} called a call was written, perhaps once more
 * @property {(id: string, text: string, message: any) => void} answer to a call
 * @property {(id: string, text: string, message: any) => void} request for a callback
 * @property {(id: string, text: string, message: any) => void} replied what was answered to such a request
 * @property {(id: string) => void} calledOff nobody waits for that answer any more
 */

export class Wire {
  #events;

  /** @param {WireEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /** @param {string} frame */
  wrote(frame) {
    for (const [message, text] of messagesOf(frame)) {
      if (typeof message?.id !== 'string') {
        continue;
      }
      if (message.method === undefined) {
        this.#events.replied(message.id, text(), message);
      } else if (!String(message.method).startsWith('rpc.')) {
        this.#events.called(message.id, text(), message);
      }
    }
  }

  /** @param {string} frame */
  read(frame) {
    for (const [message, text] of messagesOf(frame)) {
      if (typeof message?.method === 'string') {
        if (message.method === 'rpc.cancel') {
          this.#events.calledOff(String(message.params?.id));
        } else if (typeof message.id === 'string') {
          this.#events.request(message.id, text(), message);
        }
      } else if (typeof message?.id === 'string') {
        this.#events.answer(message.id, text(), message);
      }
    }
  }
}

/** @param {string} frame @returns {[any, () => string][]} each message, and what makes its text */
function messagesOf(frame) {
  // What is no JSON is the session's business, which closes the connection for it.
  let parsed;
  try {
    parsed = parseJson(frame);
  } catch {
    return [];
  }
  return Array.isArray(parsed) ? parsed.map((message) => [message, () => writeJson(message)]) : [[parsed, () => frame]];
}
