// @ts-check
/**
 * The calls that have no answer yet: their ids, their time limits and abort signals. Every call ends exactly once.
 * Knows no messages: what a call's end means on the wire is its owner's business.
 *
 * An id begins with a prefix that no other page has: the answers to a page that is gone may come to one that went on with
 * its stream, and must never pass for its own.
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
 * @typedef {object} Prepared a call as it is written
 * @property {string} method as on the wire: `calculator.add`, `@<token>.read`, `#<id>.updater.update`
 * @property {unknown} params JSON
 * @property {number} [values] elements and members in the parameters
 * @property {number} [generation] the session that its handles belong to, if it has any
 */

/**
 * @typedef {object} Draft a call before it is written
 * @property {() => Prepared} prepare what to write now: where a call waits, an answer that it builds on may come first.
 *   Throws a GatewayError if it cannot be written any more
 * @property {string[]} callbacks the names of callbacks in the parameters
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
 * @property {Record<string, unknown>} [meta] what is said beside the call (PROTOCOL.md, Meta), instead of the time-out alone
 */

/**
 * @typedef {object} Call
 * @property {string} id
 * @property {Draft} draft
 * @property {number} sent the number of its message in the stream; 0: it is not written
 * @property {import('./outbox.js').Message} message that makes it
 * @property {number} sentAt
 * @property {boolean} over whether it has ended
 * @property {Sink} sink
 * @property {any} [timer]
 * @property {() => void} forgetSignal
 */

/**
 * @typedef {object} CallEvents
 * @property {() => boolean} isOpen whether there is a connection, so that what waits will have its turn
 * @property {(call: Call) => void} abandoned the caller or the time ended it; it is rejected after this
 * @property {(callbacks: string[], accepted: boolean) => void} settled it ended; whether the gateway may hold its callbacks
 */

export class Calls {
  #clock;
  #events;
  #prefix;
  /** @type {Map<string, Call>} */
  #calls = new Map();
  #lastNumber = 0;
  /** How many are sent and have no answer. */
  inFlight = 0;

  /** @param {import('./transport.js').Clock} clock @param {CallEvents} events @param {string} prefix of ids */
  constructor(clock, events, prefix) {
    this.#clock = clock;
    this.#events = events;
    this.#prefix = prefix;
  }

  /** An id that this page has never used. */
  newId() {
    // Not in decimal: V8 keeps each text that it makes so of a number, and collecting those costs as much as the call.
    return this.#prefix + (++this.#lastNumber).toString(36);
  }

  /**
   * @param {Draft} draft
   * @param {CallOptions} options
   * @param {Sink} sink
   * @returns {Call}
   */
  begin(draft, { timeout, signal }, sink) {
    const id = this.newId();
    /** @type {Call} */
    const call = {
      id,
      draft,
      sent: 0,
      sentAt: 0,
      over: false,
      sink,
      message: {},
      forgetSignal: () => {},
    };
    this.#calls.set(id, call);
    this.#watchTime(call, timeout);
    if (signal) {
      const abort = () =>
        this.#abandon(call, new GatewayError('cancelled', 'the call was aborted', { cause: signal.reason }));
      signal.addEventListener('abort', abort);
      call.forgetSignal = () => signal.removeEventListener('abort', abort);
    }
    return call;
  }

  /** Note that a call is written. @param {Call} call @param {number} number of its message in the stream */
  written(call, number) {
    call.sent = number;
    call.sentAt = this.#clock.now();
    this.inFlight++;
  }

  /** Note that the gateway did not begin a call, which will be written again. @param {Call} call */
  returned(call) {
    call.sent = 0;
    this.inFlight--;
  }

  /** @param {unknown} id as a peer sent it */
  sent(id) {
    const call = this.#calls.get(/** @type {string} */ (id));
    return call?.sent ? call : undefined;
  }

  /**
   * End a call that was not written, if it was not.
   * @param {string} id
   * @param {GatewayError} error
   */
  abandon(id, error) {
    const call = this.#calls.get(id);
    if (call && !call.sent) {
      this.reject(call, error, false);
    }
  }

  /** @param {Call} call @param {unknown} json */
  resolve(call, json) {
    if (this.#remove(call, true)) {
      call.sink.resolve(json);
    }
  }

  /** @param {Call} call @param {GatewayError} error @param {boolean} accepted whether the gateway may hold its callbacks */
  reject(call, error, accepted) {
    if (this.#remove(call, accepted)) {
      call.sink.reject(error);
    }
  }

  /**
   * End the calls for which there is an error, those that were sent first. The others are to be written, maybe again.
   * @param {(call: Call) => GatewayError | undefined} verdict
   */
  rejectAll(verdict) {
    for (const call of [...this.#calls.values()].sort((one, other) => +!one.sent - +!other.sent)) {
      const error = verdict(call);
      if (error) {
        this.reject(call, error, false);
      } else {
        call.sent = 0;
      }
    }
    this.inFlight = 0;
  }

  /** @param {Call} call @param {number} [timeout] */
  #watchTime(call, timeout) {
    const clock = this.#clock;
    const fail = (/** @type {string} */ code, /** @type {string} */ message) =>
      this.#abandon(call, new GatewayError(code, message));
    const look = () => {
      const left = call.sent ? call.sentAt + SENT_TIMEOUT_MS - clock.now() : UNSENT_TIMEOUT_MS;
      if (left <= 0) {
        fail('outcome_unknown', 'the gateway did not answer');
      } else if (call.sent || this.#events.isOpen()) {
        // Where there is a connection, others are before it, and each of those ends.
        call.timer = clock.setTimeout(look, left);
      } else {
        fail('unavailable', 'the gateway could not be reached; the call was not sent');
      }
    };
    call.timer =
      timeout === undefined
        ? clock.setTimeout(look, UNSENT_TIMEOUT_MS)
        : clock.setTimeout(
            () => fail('deadline_exceeded', `no answer within ${timeout} ms`),
            Math.min(timeout, LONGEST_TIMER_MS),
          );
  }

  /** @param {Call} call @param {GatewayError} error */
  #abandon(call, error) {
    this.#events.abandoned(call);
    this.reject(call, error, !!call.sent);
  }

  /** @param {Call} call @param {boolean} accepted */
  #remove(call, accepted) {
    if (!this.#calls.delete(call.id)) {
      return false;
    }
    call.over = true;
    if (call.sent) {
      this.inFlight--;
    }
    this.#clock.clearTimeout(call.timer);
    call.forgetSignal();
    this.#events.settled(call.draft.callbacks, accepted);
    return true;
  }
}

/**
 * The error of a call that builds on one that failed.
 * @param {GatewayError} error
 */
export function failedWith(error) {
  const { code, message, requestId, data } = error;
  // One level deep, as the gateway writes it: a long chain must not carry all of its failures in each.
  const { cause: _, ...cause } = data ?? {};
  return new GatewayError(code, `the call that this one builds on failed: ${message}`, {
    requestId,
    data: { code, cause: data && cause },
    cause: error,
  });
}
