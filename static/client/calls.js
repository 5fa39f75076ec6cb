// @ts-check
/**
 * The calls that have no answer yet: their ids, their time limits and abort signals. Every call ends exactly once.
 * Knows no messages: what a call's end means on the wire is its owner's business.
 */
import { GatewayError } from './errors.js';

// A call that was not sent, because there is no connection, waits this long if its caller named no time: as long as the
// gateway keeps a session without a connection, unless it is set otherwise.
const UNSENT_TIMEOUT_MS = 60_000;
// A call that was sent is ended by the gateway, whose longest deadline is 300 s. This is for a connection that is dead
// without either end knowing it.
const SENT_TIMEOUT_MS = 330_000;

// Platforms run a timer that is set for longer at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * @typedef {object} Prepared a call that is ready to travel
 * @property {string} method as on the wire: `calculator.add`, `@<token>.read`, `#<id>.updater.update`
 * @property {unknown} params JSON
 * @property {string[]} callbacks the names of callbacks in the parameters
 * @property {number} [generation] the session that its handles belong to, if it has any
 * @property {number[]} [needs] the ids of calls into whose answers it reaches
 */

/**
 * @typedef {object} Sink who made a call
 * @property {(json: any) => void} resolve
 * @property {(error: GatewayError) => void} reject
 */

/**
 * @typedef {object} CallOptions
 * @property {number} [timeout] milliseconds
 * @property {AbortSignal} [signal]
 */

/**
 * @typedef {object} Call
 * @property {number} id
 * @property {Prepared} prepared
 * @property {boolean} sent
 * @property {Sink} sink
 * @property {any} timer
 * @property {() => void} forgetSignal
 */

/**
 * @typedef {object} CallEvents
 * @property {(call: Call) => void} abandoned the caller or the time ended it; it is rejected after this
 * @property {(callbacks: string[], accepted: boolean) => void} settled it ended; whether the gateway may hold its callbacks
 */

export class Calls {
  #clock;
  #events;
  /** @type {Map<number, Call>} */
  #calls = new Map();
  #lastId;

  /** @param {import('./transport.js').Clock} clock @param {CallEvents} events @param {number} [lastId] */
  constructor(clock, events, lastId = 0) {
    this.#clock = clock;
    this.#events = events;
    this.#lastId = lastId;
  }

  get lastId() {
    return this.#lastId;
  }

  /**
   * @param {Prepared} prepared
   * @param {CallOptions} options
   * @param {Sink} sink
   * @returns {Call} with an id that is never used again
   */
  begin(prepared, { timeout, signal }, sink) {
    const id = ++this.#lastId;
    /** @type {Call} */
    const call = { id, prepared, sent: false, sink, timer: undefined, forgetSignal: () => {} };
    this.#calls.set(id, call);
    this.#watchTime(call, timeout);
    if (signal) {
      const abort = () =>
        this.#abandon(call, new GatewayError('cancelled', 'the call was aborted', { cause: signal.reason }));
      signal.addEventListener('abort', abort, { once: true });
      call.forgetSignal = () => signal.removeEventListener('abort', abort);
    }
    return call;
  }

  /** @param {unknown} id as a peer sent it */
  sent(id) {
    const call = this.#calls.get(/** @type {number} */ (id));
    return call?.sent ? call : undefined;
  }

  /** @param {Call} call */
  has(call) {
    return this.#calls.has(call.id);
  }

  /** @param {Call} call @param {unknown} json */
  resolve(call, json) {
    if (this.#remove(call, true)) {
      call.sink.resolve(json);
    }
  }

  /** @param {Call} call @param {GatewayError} error @param {boolean} accepted whether the gateway may hold its callbacks */
  reject(call, error, accepted) {
    if (!this.#remove(call, accepted)) {
      return;
    }
    call.sink.reject(error);
    if (!call.sent) {
      // The gateway will never hear of it, so it cannot fail what builds on it.
      for (const other of [...this.#calls.values()]) {
        if (!other.sent && other.prepared.needs?.includes(call.id)) {
          this.#events.abandoned(other);
          this.reject(other, failedWith(error), false);
        }
      }
    }
  }

  /**
   * End the calls for which there is an error.
   * @param {(call: Call) => GatewayError | undefined} verdict
   */
  rejectAll(verdict) {
    for (const call of [...this.#calls.values()]) {
      const error = verdict(call);
      if (error) {
        this.reject(call, error, false);
      }
    }
  }

  /** @param {Call} call @param {number} [timeout] */
  #watchTime(call, timeout) {
    if (timeout !== undefined) {
      const late = () => this.#abandon(call, new GatewayError('deadline_exceeded', `no answer within ${timeout} ms`));
      call.timer = this.#clock.setTimeout(late, Math.min(timeout, LONGEST_TIMER_MS));
      return;
    }
    call.timer = this.#clock.setTimeout(() => {
      if (!call.sent) {
        this.#abandon(call, new GatewayError('unavailable', 'the gateway could not be reached; the call was not sent'));
        return;
      }
      const dead = () => this.#abandon(call, new GatewayError('outcome_unknown', 'the gateway did not answer'));
      call.timer = this.#clock.setTimeout(dead, SENT_TIMEOUT_MS - UNSENT_TIMEOUT_MS);
    }, UNSENT_TIMEOUT_MS);
  }

  /** @param {Call} call @param {GatewayError} error */
  #abandon(call, error) {
    this.#events.abandoned(call);
    this.reject(call, error, call.sent);
  }

  /** @param {Call} call @param {boolean} accepted */
  #remove(call, accepted) {
    if (!this.#calls.delete(call.id)) {
      return false;
    }
    this.#clock.clearTimeout(call.timer);
    call.forgetSignal();
    this.#events.settled(call.prepared.callbacks, accepted);
    return true;
  }
}

/**
 * The error of a call that builds on one that failed.
 * @param {GatewayError} error
 */
export function failedWith(error) {
  const { code, message, requestId, data } = error;
  return new GatewayError(code, `the call that this one builds on failed: ${message}`, {
    requestId,
    data: { code, cause: data },
    cause: error,
  });
}
