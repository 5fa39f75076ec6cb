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
 * received. Only when the gateway has no such stream any more, another page has taken it over, or the time for it is over,
 * the stream is lost: calls that were sent have an unknown outcome then, and calls that were not go to the next, unless
 * they need an object of this one. `#loseStream` is the one place that says so.
 */
import { Acknowledgements } from './acknowledgements.js';
import { Calls } from './calls.js';
import { meaningOf } from './close-codes.js';
import { GatewayError, errorFromAnswer } from './errors.js';
import { Greeting, isResumption } from './greeting.js';
import { isObject, textOf } from './messages.js';
import { Outbox } from './outbox.js';
import { LONGEST_WAIT_S, neverStarted, waitOf } from './refusals.js';
import { Requests, tooLarge, tooMany } from './requests.js';

const HELLO_TIMEOUT_MS = 10_000;

/** @typedef {import('./transport.js').Clock} Clock */
/** @typedef {import('./transport.js').Socket} Socket */

/** @typedef {import('./calls.js').Draft} Draft */
/** @typedef {import('./calls.js').CallOptions} CallOptions */
/** @typedef {import('./calls.js').Sink} Sink */
/** @typedef {import('./greeting.js').Resumption} Resumption */
/** @typedef {import('./greeting.js').GreetingOptions} SessionOptions */

/** @typedef {import('./session-events.js').SessionEvents} SessionEvents */

export class Session {
  #clock;
  #events;
  #greeting;
  /** @type {'offline' | 'greeting' | 'open' | 'closed'} */
  #phase = 'offline';
  /** @type {Socket | null} */
  #socket = null;
  #outbox = new Outbox(() => (this.#paused ? Infinity : this.#calls.inFlight));
  #acknowledgements;
  #calls;
  #requests;
  #generation = 0;
  /** @type {any} */
  #helloTimer;
  /** @type {any} */
  #windowTimer;
  /** The timer of a pause, if there is one. @type {any} */
  #paused;
  /** When the stream can no longer be resumed. */
  #resumeUntil = Infinity;
  /** @type {Record<string, number>} */
  #limits = {};
  /** Why the stream was lost that the next takes the place of. @type {string | undefined} */
  #lost;
  /** How many messages the gateway has taken, if it takes no more calls. */
  #taken = Infinity;
  /** Why the session was closed. @type {GatewayError | undefined} */
  #failure;

  /**
   * @param {SessionEvents} events
   * @param {SessionOptions & {clock: Clock, prefix: string}} options
   */
  constructor(events, { clock, prefix, resume, ...greeting }) {
    this.#events = events;
    this.#clock = clock;
    this.#acknowledgements = new Acknowledgements(clock, (received) =>
      this.#notify('rpc.ack', { received }, { uncounted: true }),
    );
    this.#calls = new Calls(
      clock,
      {
        isOpen: () => this.#phase === 'open',
        // A call that was sent is cancelled at the gateway; a result that comes all the same is `unclaimed`.
        abandoned: (call) => call.sent && this.#notify('rpc.cancel', { id: call.id }),
        settled: (callbacks, accepted) => {
          this.#outbox.more();
          events.settled(callbacks, accepted);
        },
      },
      prefix,
    );
    this.#requests = new Requests(events, (answer) => this.#outbox.post(answer));
    const whole = isResumption(resume) ? resume : undefined;
    this.#greeting = new Greeting({ ...greeting, resume: whole });
    this.#acknowledgements.restart(whole?.received);
    if (resume && !whole) {
      this.#lost = 'no resumption';
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

  /** What the gateway allows, as it said at the last hello. */
  get limits() {
    return this.#limits;
  }

  /** The gateway's secret id of this session, for REST calls in it. @returns {string | undefined} */
  get id() {
    return this.#greeting.said.session;
  }

  /** What another page needs to take the stream over. @returns {Resumption | undefined} */
  get resumption() {
    const { session, stream } = this.#greeting.said;
    return stream && { session, stream, received: this.#acknowledgements.received };
  }

  /** Why the session was closed, or hello refused. */
  get failure() {
    return this.#failure ?? this.#greeting.failure;
  }

  /**
   * Make a call. It is written at the end of this tick, in one frame with the others of the tick, or later: when there is
   * a connection, and when the gateway takes one more.
   * @param {Draft} draft
   * @param {CallOptions} options
   * @param {Sink} sink is told the result as JSON, or a GatewayError, and nothing else
   * @returns {string} the id of the request
   * @throws {GatewayError} it can never be written, and the sink is told nothing
   */
  call(draft, options, sink) {
    this.#check(draft.prepare().generation, options.signal);
    const call = this.#calls.begin(draft, options, sink);
    const meta = options.meta ?? (options.timeout && { timeout: options.timeout / 1000 });
    let what = '';
    call.message = {
      owner: call,
      render: () => {
        try {
          const { method, params, values = 0, generation } = draft.prepare();
          what = `the call of ${method}`;
          this.#check(generation);
          tooMany(what, values, this.#limits.max_values);
          return textOf({ id: call.id, method, params, meta });
        } catch (error) {
          this.#calls.reject(call, /** @type {GatewayError} */ (error), false);
          return undefined;
        }
      },
      written: () => this.#calls.written(call, this.#outbox.sent),
      refused: (bytes, limit) => this.#calls.reject(call, tooLarge(what, bytes, limit), false),
    };
    this.#outbox.post(call.message);
    return call.id;
  }

  /** @param {string} id of a call that is to end, unless it was written @param {GatewayError} error */
  abandon(id, error) {
    this.#calls.abandon(id, error);
  }

  /** Ask the gateway for a sign of life. Its answer is nobody's, but counts as every message. */
  ping() {
    this.#notify('rpc.ping', {}, {}, this.#calls.newId());
  }

  /**
   * Give one reference to an object back.
   * @param {string} handle
   * @param {number} generation the session that the handle came in
   */
  release(handle, generation) {
    if (generation === this.#generation && this.#phase !== 'closed') {
      this.#notify('rpc.release', { handle, count: 1 }, { ordered: true });
    }
  }

  /** End everything: waiting messages are written, calls without an answer fail. */
  close() {
    if (this.#phase !== 'closed') {
      this.#outbox.flush();
      const socket = this.#socket;
      this.#end(new GatewayError('failed_precondition', 'closed by its user'), {});
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
    this.#greeting.failure = undefined;
    this.#helloTimer = this.#clock.setTimeout(() => socket.close(4000, 'no answer to hello'), HELLO_TIMEOUT_MS);
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
      this.#socket?.close(4000, 'no JSON');
      return;
    }
    const messages = [obj].flat();
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
    const details = `code ${code}${reason && `: ${reason}`}`;
    this.#leaveSocket('offline');
    const { refused, ended, replaced } = meaningOf(code);
    let failure = this.#greeting.isFinal ? this.#greeting.failure : undefined;
    if (refused && !(refused === 'unauthenticated' && this.#greeting.canRenew)) {
      failure ??= new GatewayError(refused, `the gateway closed it for good (${details})`);
    }
    if (failure) {
      this.#end(failure, { code, reason });
      return false;
    }
    const { stream } = this.#greeting.said;
    if (replaced && stream) {
      this.#loseStream(`another page took the stream (${details})`, { session: this.id });
    } else if (wasOpen && ended) {
      this.#loseStream(`the connection was lost (${details})`);
    } else if (wasOpen) {
      this.#awaitWindow();
    } else if (stream && this.#clock.now() >= this.#resumeUntil) {
      this.#windowOver();
    }
    if (wasOpen) {
      this.#events.state('reconnecting', { code, reason });
    }
    return true;
  }

  // Hello

  #greet() {
    const socket = this.#socket;
    void this.#greeting.say(this.#acknowledgements.received, (hello) => {
      // Another socket may be there by now.
      if (this.#socket !== socket || this.#phase !== 'greeting') {
        return;
      }
      if (hello === undefined) {
        socket?.close(1000, 'there is no token');
      } else {
        socket?.send(hello);
      }
    });
  }

  /** @param {any} message the answer to hello */
  #greeted(message) {
    const taken = this.#greeting.take(message);
    if (taken?.accepted) {
      this.#clock.clearTimeout(this.#helloTimer);
      this.#open(taken.accepted);
    } else if (taken?.lost !== undefined) {
      // The same socket may begin anew.
      this.#loseStream(`the gateway does not have the stream any more (${taken.lost})`);
      this.#greet();
    } else if (taken) {
      this.#socket?.close(1000, 'refused');
    }
  }

  /** @param {Record<string, any>} hello */
  #open(hello) {
    const write = (/** @type {string} */ frame) => this.#socket?.send(frame);
    const { limits = {}, resumed } = hello;
    const { session, stream, anew } = this.#greeting.said;
    if (!resumed && stream) {
      this.#loseStream('another stream began');
    }
    this.#clock.clearTimeout(this.#windowTimer);
    this.#greeting.said = hello;
    this.#limits = limits;
    this.#phase = 'open';
    if (!resumed) {
      this.#acknowledgements.restart();
      const reason = this.#lost;
      this.#lost = undefined;
      if (reason !== undefined) {
        this.#events.reset({ reason, sameSession: hello.session === session });
      }
      this.#outbox.open(write, limits);
      this.#events.state('open', { resumed });
    } else if (this.#outbox.resume(write, limits, hello.received)) {
      if (anew) {
        // The page before may not be gone, and its count may be the same as this one's. With one message more between
        // here and the gateway it is not, so that it cannot take the stream back and believe that it goes on.
        this.ping();
      }
      // What this tells may make calls; they come after what is written again.
      this.#events.state('open', { resumed });
      this.#acknowledgements.resume();
    } else {
      // The two sides disagree about what was sent, so nobody knows any more what ran.
      this.#phase = 'greeting';
      this.#loseStream(`it cannot have received ${hello.received} messages`);
      this.#socket?.close(4000, 'a wrong count');
    }
  }

  /** The gateway keeps a stream without a socket for some time only. */
  #awaitWindow() {
    const window_ms = (this.#greeting.said.resume_window_s ?? 0) * 1000;
    this.#resumeUntil = this.#clock.now() + window_ms;
    // While a hello is under way its answer decides.
    const over = () => this.#phase === 'offline' && this.#windowOver();
    this.#windowTimer = this.#clock.setTimeout(over, window_ms);
  }

  #windowOver() {
    this.#loseStream('the connection was lost for too long');
  }

  // Calls

  /**
   * @param {number | undefined} generation the session that its handles belong to
   * @param {AbortSignal} [signal]
   * @throws {GatewayError} a call with these cannot be written
   */
  #check(generation, signal) {
    if (signal?.aborted) {
      throw new GatewayError('cancelled', 'the call was aborted', { cause: signal.reason });
    }
    if (this.#phase === 'closed') {
      throw new GatewayError('failed_precondition', `${this.#failure?.message}`, {
        cause: this.#failure,
      });
    }
    if (generation !== undefined && generation !== this.#generation) {
      throw new GatewayError('not_found', 'the object belonged to a session that was lost');
    }
  }

  /** @param {string} method @param {unknown} params @param {import('./outbox.js').Message} [how] @param {string} [id] */
  #notify(method, params, how, id) {
    this.#outbox.post({ text: textOf({ id, method, params }), ...how });
  }

  // What comes in

  /** @param {any} message */
  #take(message) {
    if (message?.method === 'rpc.ack') {
      const { received, last } = message.params ?? {};
      this.#outbox.confirm(Number(received) || 0);
      last && (this.#taken = received);
      return;
    }
    this.#acknowledgements.count();
    if (typeof message?.method !== 'string') {
      this.#answered(message ?? {});
    } else if (message.id !== undefined) {
      this.#requests.answer(/** @type {any} */ (message));
    } else if (message.method === 'rpc.cancel') {
      this.#requests.callOff(message.params?.id);
    } else if (message.method === 'rpc.released' && isObject(message.params)) {
      this.#events.released(message.params);
    }
  }

  /** @param {{id?: unknown, result?: unknown, error?: any}} message */
  #answered({ id, result, error }) {
    const call = this.#calls.sent(id);
    if (error !== undefined) {
      const wait = waitOf(error?.data);
      if (call && wait <= LONGEST_WAIT_S) {
        this.#calls.returned(call);
        this.#outbox.again(call.message);
        this.#clock.clearTimeout(this.#paused);
        this.#paused = this.#clock.setTimeout(() => {
          this.#paused = 0;
          this.#outbox.more();
        }, wait * 1000);
      } else if (call) {
        this.#calls.reject(call, errorFromAnswer(error), !wait && !neverStarted(error?.code));
      }
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
   * Everything that lived in the stream is gone: calls, handles, callbacks, answers not yet written.
   * @param {string} why
   * @param {{session?: string}} [asks] what the next hello asks for
   */
  #loseStream(why, asks = {}) {
    this.#generation++;
    this.#lost ??= why;
    this.#greeting.said = asks;
    this.#clock.clearTimeout(this.#windowTimer);
    /** @type {import('./outbox.js').Message[]} */
    const again = [];
    this.#calls.rejectAll((call) => {
      if (call.sent && call.sent <= this.#taken) {
        return new GatewayError('outcome_unknown', `${why} before the answer came; it may have run`);
      }
      return this.#canGoOn(call)
        ? void again.push(call.message)
        : new GatewayError('unavailable', `${why}; the call was not sent`);
    });
    this.#taken = Infinity;
    this.#outbox.drop(again);
    this.#requests.callOffAll();
    this.#acknowledgements.restart();
    this.#events.sessionLost();
  }

  /**
   * Whether a call that was not written needs nothing of the stream that was lost.
   * @param {import('./calls.js').Call} call
   */
  #canGoOn({ draft }) {
    try {
      return this.#phase !== 'closed' && draft.prepare().generation === undefined;
    } catch {
      return false;
    }
  }

  /** @param {GatewayError} failure @param {{code?: number, reason?: string}} details */
  #end(failure, details) {
    this.#leaveSocket('closed');
    this.#clock.clearTimeout(this.#paused);
    this.#failure = failure;
    this.#loseStream(failure.message);
    this.#events.state('closed', { ...details, error: failure });
  }
}
