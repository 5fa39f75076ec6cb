// @ts-check
/**
 * The protocol on `/ws` as this side sees it (PROTOCOL.md): hello, calls and their answers, requests for callbacks,
 * counting, acknowledgement and resuming. Text comes in and goes out through what it is given; it knows no WebSocket, no
 * page and no proxies, and values are JSON here (values.js makes them of JavaScript values and back).
 *
 *   offline ──connected──▸ greeting ──hello answered──▸ open
 *      ▴────────── disconnected ──┴───────────────────────┘        close(), or a refusal for good: closed
 *
 * A lost connection costs nothing: the stream is resumed over the next one, and each side repeats what the other has not
 * received. Only when the gateway has no such stream any more, or the time for it is over, the session is lost: calls that
 * were sent have an unknown outcome then, and calls that were not are not sent. `#loseSession` is the one place that says so.
 */
import { Acknowledgements } from './acknowledgements.js';
import { Calls } from './calls.js';
import { GatewayError, errorFromAnswer } from './errors.js';
import { Outbox } from './outbox.js';
import { Requests, tooLarge } from './requests.js';

const HELLO_ID = 0;
const HELLO_TIMEOUT_MS = 10_000;
// The gateway refuses this page or has put another socket in its place; the same hello would fail again.
const FINAL_CLOSE_CODES = new Map([
  [4001, 'aborted'],
  [4401, 'unauthenticated'],
  [4403, 'permission_denied'],
]);
// The stream ended with its socket; after every other code it can be resumed.
const STREAM_ENDED = new Set([1003, 1007, 1009, 4000, 4002, 4003, 4004]);
const FINAL_HELLO_ERRORS = new Set(['unauthenticated', 'permission_denied', 'unimplemented', 'invalid_argument']);
// Errors by which the gateway says that no service saw the call.
const NEVER_STARTED = new Set([-32700, -32600, -32601, -32602]);

/** @typedef {import('./transport.js').Clock} Clock */
/** @typedef {import('./transport.js').Socket} Socket */
/** @typedef {'open' | 'reconnecting' | 'closed'} State */

/** @typedef {import('./calls.js').Prepared} Prepared */
/** @typedef {import('./calls.js').CallOptions} CallOptions */
/** @typedef {import('./calls.js').Sink} Sink */

/**
 * @typedef {object} StateDetails
 * @property {boolean} [resumed] with 'open': whether handles of an earlier connection still live
 * @property {number} [code] the socket's close code
 * @property {string} [reason]
 * @property {GatewayError} [error] with 'closed': why
 */

/**
 * @typedef {object} OwnEvents
 * @property {(state: State, details: StateDetails) => void} state
 * @property {(params: Record<string, unknown>) => void} released the gateway let go of a handle or callback
 * @property {() => void} sessionLost
 */
/** @typedef {OwnEvents & import('./requests.js').RequestEvents} SessionEvents */

/**
 * @typedef {object} Resumption what this side of a stream has to know in order to take it over; plain data
 * @property {string} session
 * @property {string} stream
 * @property {number} received messages
 * @property {number} lastId of calls
 */

/**
 * @typedef {object} SessionOptions
 * @property {string} [token] sent with hello; proves who the user is
 * @property {string} [session] one that is there already, to open a stream in
 * @property {Resumption} [resume] a stream to take over
 */

export class Session {
  #clock;
  #events;
  #token;
  /** The session to open a stream in, as long as there is no stream. @type {string | undefined} */
  #joins;
  /** @type {'offline' | 'greeting' | 'open' | 'closed'} */
  #phase = 'offline';
  /** @type {Socket | null} */
  #socket = null;
  #outbox = new Outbox();
  #acknowledgements;
  #calls;
  #requests;
  #generation = 0;
  /** @type {any} */
  #helloTimer;
  /** @type {any} */
  #windowTimer;
  /** When the stream can no longer be resumed. */
  #resumeUntil = Infinity;
  /** What the gateway said at hello; with `stream` there is one to resume. @type {Record<string, any>} */
  #hello = {};
  /** Why hello was refused, or the session closed. @type {GatewayError | undefined} */
  #failure;
  /** Whether the same hello would be refused again. */
  #refused = false;

  /**
   * @param {SessionEvents} events
   * @param {SessionOptions & {clock: Clock}} options
   */
  constructor(events, { clock, token, session, resume }) {
    this.#events = events;
    this.#clock = clock;
    this.#token = token;
    this.#joins = session;
    this.#acknowledgements = new Acknowledgements(clock, (received) =>
      this.#outbox.post({ text: notification('rpc.ack', { received }), uncounted: true }),
    );
    this.#calls = new Calls(
      clock,
      {
        // A call that was sent is cancelled at the gateway; a result that comes all the same is `unclaimed`.
        abandoned: (call) => (call.sent ? this.#notify('rpc.cancel', { id: call.id }) : this.#outbox.withdraw(call)),
        settled: events.settled,
      },
      resume?.lastId,
    );
    this.#requests = new Requests(events, (answer) => this.#outbox.post(answer));
    if (resume) {
      this.#hello = { session: resume.session, stream: resume.stream };
      this.#acknowledgements.restart(resume.received);
    }
  }

  /** Counts the gateway's sessions, so that a handle can tell whether its own still lives. */
  get generation() {
    return this.#generation;
  }

  /** Messages counted in the current stream, as PROTOCOL.md counts them. */
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

  /** What another page needs to take the stream over. @returns {Resumption | undefined} */
  get resumption() {
    const { session, stream } = this.#hello;
    return stream && { session, stream, received: this.counts.received, lastId: this.#calls.lastId };
  }

  get failure() {
    return this.#failure;
  }

  /**
   * Make a call. It is written at the end of this tick, in one frame with the others of the tick.
   * @param {Prepared} prepared
   * @param {CallOptions} options
   * @param {Sink} sink is told the result as JSON, or a GatewayError, and nothing else
   * @returns {number} the id of the request; 0 if the call was refused
   */
  call(prepared, options, sink) {
    const refusal = this.#refusal(prepared, options.signal);
    if (refusal) {
      this.#events.settled(prepared.callbacks, false);
      sink.reject(refusal);
      return 0;
    }
    const call = this.#calls.begin(prepared, options, sink);
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
    return call.id;
  }

  /**
   * Give one reference to an object back.
   * @param {string} handle
   * @param {number} generation the session that the handle came in
   */
  release(handle, generation) {
    if (generation === this.#generation && this.#phase !== 'closed') {
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
    this.#helloTimer = this.#clock.setTimeout(() => socket.close(4000, 'no answer to rpc.hello'), HELLO_TIMEOUT_MS);
    this.#greet();
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
    const messages = Array.isArray(obj) ? obj : [obj];
    this.#requests.lookAhead(messages);
    for (const message of messages) {
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
    const finalCode = FINAL_CLOSE_CODES.get(code);
    if (finalCode !== undefined) {
      this.#end(new GatewayError(finalCode, `the gateway closed the connection for good (${details})`), {
        code,
        reason,
      });
      return false;
    }
    if (this.#failure && this.#refused) {
      this.#end(this.#failure, { code, reason });
      return false;
    }
    if (wasOpen && STREAM_ENDED.has(code)) {
      this.#loseSession(`the connection was lost (${details})`);
    } else if (wasOpen) {
      this.#awaitWindow();
    } else if (this.#hello.stream && this.#clock.now() >= this.#resumeUntil) {
      this.#windowOver();
    }
    if (wasOpen) {
      this.#events.state('reconnecting', { code, reason });
    }
    return true;
  }

  // Hello

  #greet() {
    const { session = this.#joins, stream } = this.#hello;
    const received = stream && this.counts.received;
    const params = { protocol: 1, unbox: true, session, stream, received, token: this.#token };
    this.#socket?.send(JSON.stringify({ jsonrpc: '2.0', id: HELLO_ID, method: 'rpc.hello', params }));
  }

  /** @param {any} message the answer to hello */
  #greeted(message) {
    if (message?.id !== HELLO_ID) {
      return;
    }
    const { result, error } = message;
    if (error === undefined && typeof result === 'object' && result !== null) {
      this.#clock.clearTimeout(this.#helloTimer);
      this.#open(result);
      return;
    }
    const failure = errorFromAnswer(error);
    if (this.#hello.stream && failure.code === 'not_found') {
      // The same socket may begin a session anew.
      this.#loseSession(`the gateway does not have the session any more (${failure.message})`);
      this.#greet();
      return;
    }
    this.#clock.clearTimeout(this.#helloTimer);
    this.#failure = failure;
    // The session to join is not there, and will not be there later.
    this.#refused = FINAL_HELLO_ERRORS.has(failure.code) || (!!this.#joins && failure.code === 'not_found');
    this.#socket?.close(1000, 'hello was refused');
  }

  /** @param {Record<string, any>} hello */
  #open(hello) {
    const write = (/** @type {string} */ frame) => this.#socket?.send(frame);
    const limit = hello.limits?.max_message_bytes ?? Infinity;
    const resumed = hello.resumed === true;
    if (!resumed && this.#hello.stream) {
      this.#loseSession('the gateway began another stream');
    }
    this.#clock.clearTimeout(this.#windowTimer);
    this.#hello = hello;
    this.#joins = undefined;
    this.#phase = 'open';
    if (!resumed) {
      this.#acknowledgements.restart();
      this.#outbox.open(write, limit);
      this.#events.state('open', { resumed });
    } else if (this.#outbox.resume(write, limit, hello.received)) {
      // What this tells may make calls; they come after what is written again.
      this.#events.state('open', { resumed });
      this.#acknowledgements.resume();
    } else {
      // The two sides disagree about what was sent, so nobody knows any more what ran.
      this.#phase = 'greeting';
      this.#loseSession(`the gateway cannot have received ${hello.received} messages`);
      this.#socket?.close(4000, 'a wrong count of messages');
    }
  }

  /** The gateway keeps a stream without a socket for some time only. */
  #awaitWindow() {
    const window_ms = Number(this.#hello.resume_window_s ?? 0) * 1000;
    this.#resumeUntil = this.#clock.now() + window_ms;
    this.#windowTimer = this.#clock.setTimeout(() => {
      // While a hello is under way its answer decides.
      if (this.#phase === 'offline') {
        this.#windowOver();
      }
    }, window_ms);
  }

  #windowOver() {
    this.#loseSession('the connection was lost for longer than the gateway keeps a session');
  }

  // Calls

  /** @param {Prepared} prepared @param {AbortSignal} [signal] */
  #refusal({ method, generation }, signal) {
    if (signal?.aborted) {
      return new GatewayError('cancelled', 'the call was aborted before it was sent', { cause: signal.reason });
    }
    if (this.#phase === 'closed') {
      return new GatewayError('failed_precondition', this.#failure?.message ?? 'the connection is closed', {
        cause: this.#failure,
      });
    }
    if (generation === undefined || generation === this.#generation) {
      return undefined;
    }
    const what = method.startsWith('@') ? 'the object' : 'an object among the parameters';
    return new GatewayError('not_found', `${what} belonged to a session that was lost; ask for it again`);
  }

  /** @param {string} method @param {unknown} params */
  #notify(method, params) {
    this.#outbox.post({ text: notification(method, params) });
  }

  // What comes in

  /** @param {any} message */
  #take(message) {
    if (message?.method === 'rpc.ack') {
      this.#outbox.confirm(Number(message.params?.received) || 0);
      return;
    }
    this.#acknowledgements.count();
    if (typeof message !== 'object' || message === null) {
      return;
    }
    if (typeof message.method !== 'string') {
      this.#answered(message);
    } else if (message.id !== undefined) {
      this.#requests.answer(/** @type {any} */ (message));
    } else if (message.method === 'rpc.cancel') {
      this.#requests.callOff(message.params?.id);
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
   * Everything that lived in the gateway's session is gone: calls, handles, callbacks, answers not yet written.
   * @param {string} why
   */
  #loseSession(why) {
    this.#generation++;
    this.#hello = {};
    this.#clock.clearTimeout(this.#windowTimer);
    this.#calls.rejectAll((call) =>
      call.sent
        ? new GatewayError('outcome_unknown', `${why} before the answer came; the call may have run or not`)
        : new GatewayError('unavailable', `${why}; the call was not sent`),
    );
    this.#outbox.drop();
    this.#requests.callOffAll();
    this.#acknowledgements.restart();
    this.#events.sessionLost();
  }

  /** @param {GatewayError} failure @param {{code?: number, reason?: string}} details */
  #end(failure, details) {
    this.#leaveSocket('closed');
    this.#failure = failure;
    this.#loseSession(failure.message);
    this.#events.state('closed', { ...details, error: failure });
  }
}

/** @param {string} method @param {unknown} params */
function notification(method, params) {
  return JSON.stringify({ jsonrpc: '2.0', method, params });
}
