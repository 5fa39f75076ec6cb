// @ts-check
/**
 * The protocol on `/ws` as this side sees it (PROTOCOL.md): hello, calls and their answers, requests for callbacks,
 * counting and acknowledgement. Text comes in and goes out through what it is given; it knows no WebSocket, no page and
 * no proxies, and values are JSON here (values.js makes them of JavaScript values and back).
 *
 *   offline ──connected──▸ greeting ──hello answered──▸ open
 *      ▴────────── disconnected ──┴───────────────────────┘        close(), or a refusal for good: closed
 *
 * A lost connection loses the gateway's session: calls that were sent fail with `outcome_unknown`, calls that were not
 * wait for the next connection. `#loseSession` is the one place that says so; resuming belongs before it.
 */
import { Acknowledgements } from './acknowledgements.js';
import { Calls } from './calls.js';
import { GatewayError, errorFromAnswer, errorToAnswer } from './errors.js';
import { Outbox } from './outbox.js';

const HELLO_ID = 0;
const HELLO_TIMEOUT_MS = 10_000;
// The gateway refuses this page or has put another socket in its place; the same hello would fail again.
const FINAL_CLOSE_CODES = new Map([
  [4001, 'aborted'],
  [4401, 'unauthenticated'],
  [4403, 'permission_denied'],
]);
const FINAL_HELLO_ERRORS = new Set(['unauthenticated', 'permission_denied', 'unimplemented', 'invalid_argument']);
// Errors by which the gateway says that no service saw the call.
const NEVER_STARTED = new Set([-32700, -32600, -32601, -32602]);

/** @typedef {import('./transport.js').Clock} Clock */
/** @typedef {import('./transport.js').Socket} Socket */
/** @typedef {'open' | 'reconnecting' | 'closed'} State */

/** @typedef {import('./calls.js').Prepared} Prepared */
/** @typedef {import('./calls.js').CallOptions} CallOptions */
/** @typedef {{result: unknown, callbacks: string[]}} CallbackResult JSON, and the names of callbacks in it */

/**
 * @typedef {object} StateDetails
 * @property {boolean} [resumed] with 'open': whether handles of an earlier connection still live
 * @property {number} [code] the socket's close code
 * @property {string} [reason]
 * @property {GatewayError} [error] with 'closed': why
 */

/**
 * @typedef {object} SessionEvents
 * @property {(state: State, details: StateDetails) => void} state
 * @property {(name: string, method: string, params: unknown[]) => Promise<CallbackResult>} callback starts a callback before it returns
 * @property {(callbacks: string[], accepted: boolean) => void} settled a message that carried these was answered or dropped
 * @property {(params: Record<string, unknown>) => void} released the gateway let go of a handle or callback
 * @property {(result: unknown) => void} unclaimed a result came that nobody waits for any more
 * @property {() => void} sessionLost
 */

export class Session {
  #clock;
  #events;
  #token;
  /** @type {'offline' | 'greeting' | 'open' | 'closed'} */
  #phase = 'offline';
  /** @type {Socket | null} */
  #socket = null;
  #outbox = new Outbox();
  #acknowledgements;
  #calls;
  #generation = 0;
  /** @type {any} */
  #helloTimer;
  /** What the gateway said at hello. @type {Record<string, any>} */
  #hello = {};
  /** Why hello was refused, or the session closed. @type {GatewayError | undefined} */
  #failure;

  /**
   * @param {SessionEvents} events
   * @param {{clock: Clock, token?: string}} options
   */
  constructor(events, { clock, token }) {
    this.#events = events;
    this.#clock = clock;
    this.#token = token;
    this.#acknowledgements = new Acknowledgements(clock, (received) =>
      this.#outbox.post({ text: notification('rpc.ack', { received }), uncounted: true }),
    );
    this.#calls = new Calls(clock, {
      // A call that was sent is cancelled at the gateway; a result that comes all the same is `unclaimed`.
      abandoned: (call) => (call.sent ? this.#notify('rpc.cancel', { id: call.id }) : this.#outbox.withdraw(call)),
      settled: events.settled,
    });
  }

  /** Counts the gateway's sessions, so that a handle can tell whether its own still lives. */
  get generation() {
    return this.#generation;
  }

  /** Messages counted in the current stream, as PROTOCOL.md §3 counts them. */
  get counts() {
    const { received, acknowledged } = this.#acknowledgements;
    return { sent: this.#outbox.sent, received, acknowledged };
  }

  /** @returns {Record<string, number>} */
  get limits() {
    return this.#hello.limits ?? {};
  }

  /** The gateway's secret id of this session, for REST calls in it. @returns {string | undefined} */
  get id() {
    return this.#hello.session;
  }

  get failure() {
    return this.#failure;
  }

  /**
   * Make a call. It is written at the end of this tick, in one frame with the others of the tick.
   * @param {Prepared} prepared
   * @param {CallOptions} [options]
   * @returns {Promise<any>} the result as JSON. Rejected with a GatewayError only.
   */
  call(prepared, options = {}) {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(prepared, options.signal);
      if (refusal) {
        this.#events.settled(prepared.callbacks, false);
        reject(refusal);
        return;
      }
      const call = this.#calls.begin(prepared, options, resolve, reject);
      const { method, params } = prepared;
      const meta = options.timeout === undefined ? undefined : { timeout: options.timeout / 1000 };
      this.#outbox.post({
        text: JSON.stringify({ jsonrpc: '2.0', id: call.id, method, params, meta }),
        owner: call,
        written: () => {
          call.sent = true;
        },
        refused: (bytes, limit) => this.#calls.reject(call, tooLarge(`the call of ${method}`, bytes, limit), false),
      });
    });
  }

  /**
   * Give one reference to an object back. Without a connection there is nothing to give back.
   * @param {string} handle
   * @param {number} generation the session that the handle came in
   */
  release(handle, generation) {
    if (generation === this.#generation && this.#phase === 'open') {
      this.#notify('rpc.release', { handle, count: 1 });
    }
  }

  /** End everything: waiting messages are written, calls without an answer fail. */
  close() {
    if (this.#phase !== 'closed') {
      this.#outbox.flush();
      const socket = this.#socket;
      this.#end(new GatewayError('failed_precondition', 'the connection to the gateway was closed by its user'), {});
      socket?.close(1000, '');
    }
  }

  /**
   * Start a conversation on a socket that has just opened.
   * @param {Socket} socket
   */
  connected(socket) {
    this.#socket = socket;
    this.#phase = 'greeting';
    this.#failure = undefined;
    this.#acknowledgements.restart();
    this.#helloTimer = this.#clock.setTimeout(() => socket.close(4000, 'no answer to rpc.hello'), HELLO_TIMEOUT_MS);
    const params = { protocol: 1, unbox: true, token: this.#token };
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: HELLO_ID, method: 'rpc.hello', params }));
  }

  /**
   * Take one frame. Nothing that a peer sends makes this throw.
   * @param {string} text
   */
  received(text) {
    let obj;
    try {
      obj = JSON.parse(text);
    } catch {
      // It cannot be counted, so from here on the two sides would disagree about what was received.
      this.#socket?.close(4000, 'a frame that is no JSON');
      return;
    }
    for (const message of Array.isArray(obj) ? obj : [obj]) {
      if (this.#phase === 'greeting') {
        this.#greeted(message);
      } else if (this.#phase === 'open') {
        this.#take(message);
      }
    }
    if (this.#phase === 'open') {
      this.#acknowledgements.frameEnds(text.length);
    }
  }

  /**
   * Note that the socket is lost.
   * @param {number} code
   * @param {string} reason
   * @returns {boolean} whether another should be tried
   */
  disconnected(code, reason) {
    if (this.#phase === 'closed') {
      return false;
    }
    const wasOpen = this.#phase === 'open';
    const details = reason ? `code ${code}: ${reason}` : `code ${code}`;
    this.#leaveSocket('offline');
    this.#loseSession(`the connection was lost (${details})`);
    const finalCode = FINAL_CLOSE_CODES.get(code);
    if (finalCode !== undefined) {
      this.#failure = new GatewayError(finalCode, `the gateway closed the connection for good (${details})`);
    } else if (!this.#failure || !FINAL_HELLO_ERRORS.has(this.#failure.code)) {
      if (wasOpen) {
        this.#events.state('reconnecting', { code, reason });
      }
      return true;
    }
    this.#end(this.#failure, { code, reason });
    return false;
  }

  // Calls

  /** @param {Prepared} prepared @param {AbortSignal} [signal] */
  #refusal(prepared, signal) {
    if (signal?.aborted) {
      return new GatewayError('cancelled', 'the call was aborted before it was sent', { cause: signal.reason });
    }
    if (this.#phase === 'closed') {
      return new GatewayError('failed_precondition', this.#failure?.message ?? 'the connection is closed', {
        cause: this.#failure,
      });
    }
    return this.#lostHandle(prepared);
  }

  /** @param {Prepared} prepared */
  #lostHandle({ method, generation }) {
    if (generation === undefined || generation === this.#generation) {
      return undefined;
    }
    const what = method.startsWith('@') ? 'the object' : 'an object among the parameters';
    return new GatewayError(
      'not_found',
      `${what} belonged to a session that was lost with its connection; ask for it again`,
    );
  }

  /** @param {string} method @param {unknown} params */
  #notify(method, params) {
    this.#outbox.post({ text: notification(method, params) });
  }

  // What comes in

  /** @param {any} message the answer to hello */
  #greeted(message) {
    if (message?.id !== HELLO_ID) {
      return;
    }
    this.#clock.clearTimeout(this.#helloTimer);
    if (message.error !== undefined || typeof message.result !== 'object' || message.result === null) {
      this.#failure = errorFromAnswer(message.error);
      this.#socket?.close(1000, 'hello was refused');
      return;
    }
    this.#hello = message.result;
    this.#phase = 'open';
    this.#outbox.open((frame) => this.#socket?.send(frame), this.limits.max_message_bytes ?? Infinity);
    this.#events.state('open', { resumed: false });
  }

  /** @param {any} message */
  #take(message) {
    if (message?.method === 'rpc.ack') {
      return;
    }
    this.#acknowledgements.count();
    if (typeof message !== 'object' || message === null) {
      return;
    }
    if (typeof message.method !== 'string') {
      this.#answered(message);
    } else if (message.id !== undefined) {
      this.#requested(message);
    } else if (message.method === 'rpc.released' && typeof message.params === 'object' && message.params !== null) {
      this.#events.released(message.params);
    }
  }

  /** @param {{id?: unknown, result?: unknown, error?: any}} message */
  #answered({ id, result, error }) {
    const call = this.#calls.sent(id);
    if (error !== undefined) {
      call && this.#calls.reject(call, errorFromAnswer(error), !NEVER_STARTED.has(error?.code));
    } else if (call) {
      this.#calls.resolve(call, result ?? null);
    } else {
      this.#events.unclaimed(result);
    }
  }

  /**
   * Run a callback and answer. Callbacks are started in the order in which their requests came.
   * @param {{id: unknown, method: string, params?: unknown}} message
   */
  async #requested({ id, method, params }) {
    const generation = this.#generation;
    /** @param {object} outcome @param {string[]} callbacks @param {(error: GatewayError) => void} refuse */
    const answer = (outcome, callbacks, refuse) => {
      // A request of a lost session has nobody who waits for its answer.
      if (generation !== this.#generation || this.#phase !== 'open') {
        this.#events.settled(callbacks, false);
        return;
      }
      this.#outbox.post({
        text: JSON.stringify({ jsonrpc: '2.0', id, ...outcome }),
        // The gateway says nothing about an answer: once it is written, the gateway holds what the answer carries.
        written: () => this.#events.settled(callbacks, true),
        dropped: () => this.#events.settled(callbacks, false),
        refused: (bytes, limit) => {
          this.#events.settled(callbacks, false);
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

  // Endings

  /** @param {'offline' | 'closed'} phase */
  #leaveSocket(phase) {
    this.#clock.clearTimeout(this.#helloTimer);
    this.#acknowledgements.stop();
    this.#outbox.close();
    this.#socket = null;
    this.#phase = phase;
  }

  /**
   * Everything that lived in the gateway's session is gone: sent calls, handles, callbacks, answers not yet written.
   * @param {string} why
   */
  #loseSession(why) {
    this.#generation++;
    this.#calls.rejectAll((call) =>
      call.sent
        ? new GatewayError('outcome_unknown', `${why} before the answer came; the call may have run or not`)
        : this.#lostHandle(call.prepared),
    );
    this.#outbox.drop(({ owner }) => owner !== undefined && this.#calls.has(owner));
    this.#events.sessionLost();
  }

  /** @param {GatewayError} failure @param {{code?: number, reason?: string}} details */
  #end(failure, details) {
    this.#leaveSocket('closed');
    this.#failure = failure;
    this.#loseSession(failure.message);
    this.#calls.rejectAll(() => new GatewayError('unavailable', `${failure.message}; the call was not sent`));
    this.#outbox.drop(() => false);
    this.#events.state('closed', { ...details, error: failure });
  }
}

/** @param {string} method @param {unknown} params */
function notification(method, params) {
  return JSON.stringify({ jsonrpc: '2.0', method, params });
}

/** @param {string} what @param {number} bytes @param {number} limit */
function tooLarge(what, bytes, limit) {
  return new GatewayError(
    'too_large',
    `${what} has ${bytes} bytes; the gateway takes no more than ${limit} in a message`,
  );
}
