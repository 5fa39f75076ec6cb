// @ts-check
/**
 * The console's own connection to `/ws`: the client's session and transport, with a wire that is listened to, and a
 * button that cuts it. Values are JSON here, and objects are tokens, as the timeline shows what was really sent.
 */
import { Heartbeat } from '../client/heartbeat.js';
import { watchNetwork } from '../client/network.js';
import { Session } from '../client/session.js';
import { Transport, systemClock } from '../client/transport.js';
import { Wire } from './wire.js';

// So long that one can see that the connection is away.
const CUT_MS = 2_000;

/** @typedef {import('../client/session.js').SessionEvents} SessionEvents */

/**
 * @typedef {object} Options
 * @property {import('../client/greeting.js').Resumption} [resume] the stream of the page before
 * @property {string} prefix of ids, which no other page of the stream has
 * @property {import('../client/transport.js').Clock} [clock]
 * @property {import('../client/transport.js').SocketClass} [WebSocket]
 */

export class Connection {
  #session;
  #transport;
  #heartbeat;
  #clock;
  #wire;
  #events;
  #forgetNetwork;
  #isOpen = false;
  /** Waits out a cut. @type {any} */
  #held;
  #cutting = false;

  /**
   * @param {string} url of `/ws`
   * @param {SessionEvents} events
   * @param {import('./wire.js').WireEvents} wireEvents
   * @param {Options} options
   */
  constructor(url, events, wireEvents, { resume, prefix, clock = systemClock, WebSocket = globalThis.WebSocket }) {
    this.#clock = clock;
    this.#wire = new Wire(wireEvents);
    this.#events = events;
    this.#session = new Session(
      { ...events, state: (state, details) => this.#changeState(state, details) },
      { clock, prefix, resume },
    );
    /** @type {import('../client/transport.js').Socket | undefined} */
    let open;
    this.#heartbeat = new Heartbeat(clock, {
      ask: () => this.#session.ping(),
      unsent: () => open?.unsent() ?? 0,
      lost: () => this.#transport.renew('no sign of life'),
    });
    this.#transport = new Transport(
      url,
      WebSocket,
      {
        opened: (socket) => {
          open = socket;
          const send = (/** @type {string} */ frame) => {
            this.#wire.wrote(frame);
            socket.send(frame);
          };
          this.#session.connected({ ...socket, send });
        },
        received: (frame) => {
          if (this.#isOpen) {
            this.#transport.proved();
            this.#heartbeat.heard();
          }
          // First the text, so that whoever is told the result finds it.
          this.#wire.read(frame);
          this.#session.received(frame);
        },
        lost: (code, reason) => this.#lost(code, reason),
      },
      clock,
    );
    this.#transport.start();
    this.#forgetNetwork = watchNetwork({
      back: () => this.#transport.hurry(),
      changed: () => this.#transport.renew('the network changed'),
    });
  }

  get isOpen() {
    return this.#isOpen;
  }

  /** Counts the gateway's sessions: a handle lives as long as its own. */
  get generation() {
    return this.#session.generation;
  }

  get limits() {
    return this.#session.limits;
  }

  /** The secret id of the session. */
  get session() {
    return this.#session.id;
  }

  get resumption() {
    return this.#session.resumption;
  }

  /**
   * @param {string} method as on the wire
   * @param {unknown} params JSON
   * @param {{timeout?: number, signal?: AbortSignal, meta?: Record<string, unknown>, callbacks?: string[], generation?: number}} options
   * @param {import('../client/calls.js').Sink} sink
   * @returns {string} the id of the request
   */
  call(method, params, { callbacks = [], generation, timeout, signal, meta }, sink) {
    const said = timeout === undefined ? meta : { ...meta, timeout: timeout / 1000 };
    return this.#session.call(
      { prepare: () => ({ method, params, generation }), callbacks },
      { timeout, signal, meta: said },
      sink,
    );
  }

  /** A question to the gateway itself. @param {string} method @param {object} params @returns {Promise<any>} */
  ask(method, params) {
    return new Promise((resolve, reject) => {
      this.#session.call({ prepare: () => ({ method, params }), callbacks: [] }, {}, { resolve, reject });
    });
  }

  /** @param {string} token @param {number} count */
  release(token, count) {
    for (let time = 0; time < count; time++) {
      this.#session.release(token, this.#session.generation);
    }
  }

  /** Break the connection, as a tunnel or a train does, for two seconds. */
  cut() {
    this.#cutting = true;
    this.#transport.renew('cut by hand');
  }

  /** Try again now. */
  hurry() {
    if (this.#held) {
      this.#clock.clearTimeout(this.#held);
      this.#held = undefined;
      this.#transport.start();
    } else {
      this.#transport.hurry();
    }
  }

  close() {
    this.#clock.clearTimeout(this.#held);
    this.#session.close();
    this.#transport.stop(1000, '');
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    const again = this.#session.disconnected(code, reason);
    const cutting = this.#cutting;
    this.#cutting = false;
    if (again && cutting) {
      this.#held = this.#clock.setTimeout(() => this.hurry(), CUT_MS);
      return false;
    }
    if (again && !this.#isOpen) {
      this.#events.state('reconnecting', { code, reason, error: this.#session.failure });
    }
    return again;
  }

  /** @param {import('../client/session-events.js').State} state @param {import('../client/session-events.js').StateDetails} details */
  #changeState(state, details) {
    this.#isOpen = state === 'open';
    if (this.#isOpen) {
      this.#heartbeat.start();
    } else {
      this.#heartbeat.stop();
    }
    if (state === 'closed') {
      this.#forgetNetwork();
    }
    this.#events.state(state, details);
  }
}
