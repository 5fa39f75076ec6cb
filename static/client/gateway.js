// @ts-check
/**
 * The connection as its user sees it. Joins the parts: proxies make calls, invocations write them, the session carries
 * them, the transport moves the text, the heartbeat sees whether it arrives.
 */
import { CallbackTable } from './callbacks.js';
import { GatewayError } from './errors.js';
import { Heartbeat } from './heartbeat.js';
import { Invocation, fill } from './invocation.js';
import { Listeners } from './listeners.js';
import { watchNetwork } from './network.js';
import { DISPOSE, pendingProxy, releaseWithin, remoteProxy } from './proxies.js';
import { References } from './references.js';
import { tooMany } from './requests.js';
import { Session } from './session.js';
import { Transport, systemClock } from './transport.js';
import { decode, encodeResult, findMethod } from './values.js';

// Of ids: so many that two pages of one stream do not have the same.
const PREFIXES = 36 ** 8;

/** @typedef {import('./calls.js').CallOptions} CallOptions */
/** @typedef {import('./proxies.js').HandleTarget} HandleTarget */
/** @typedef {import('./session-events.js').State} State */
/** @typedef {import('./session-events.js').StateDetails} StateDetails */
/** @typedef {import('./transport.js').Socket} Socket */

/**
 * @typedef {object} GatewayOptions
 * @property {import('./greeting.js').Token} [token] sent with hello; proves who the user is
 * @property {string} [session] the id of one that is there already, such as REST's, to share its objects
 * @property {import('./session.js').Resumption} [resume] a stream to take over from a page that is no more
 * @property {boolean} [retry] go on when the first connection fails, instead of telling so
 * @property {import('./transport.js').Clock} [clock]
 * @property {() => number} [random]
 */

export class Gateway {
  #session;
  #transport;
  #heartbeat;
  #retry;
  #forgetNetwork;
  #callbacks;
  /** @type {Map<string, any>} */
  #services = new Map();
  #listeners = new Listeners(['state', 'released', 'reset', 'error']);
  /** @type {State | 'connecting'} */
  #state = 'connecting';
  /** The safety net: gives back an object that nobody released and nobody can reach any more. */
  #unreachable = new FinalizationRegistry((/** @type {{token: string, generation: number}} */ { token, generation }) =>
    this.#session.release(token, generation),
  );
  /** What calls are made with. @type {import('./invocation.js').Surroundings} */
  #surroundings;
  /** What proxies do. @type {import('./proxies.js').Caller} */
  #caller = {
    call: (target, method, params, options = {}, entrance) => {
      const references = new References(this, this.#callbacks);
      const invocation = new Invocation(this.#surroundings, target, method, references, options, entrance);
      invocation.begin(params);
      return pendingProxy(invocation.base, this.#caller);
    },
    release: (target) => this.#release(target),
  };

  /**
   * @param {string} url
   * @param {import('./transport.js').SocketClass} WebSocket
   * @param {GatewayOptions} [options]
   */
  constructor(url, WebSocket, options = {}) {
    const { token, session, resume, retry = false, clock = systemClock, random = Math.random } = options;
    const prefix = `${Math.floor(random() * PREFIXES).toString(36)}-`;
    this.#retry = retry;
    this.#callbacks = new CallbackTable(prefix);
    this.#session = new Session(
      {
        state: (...change) => this.#changeState(...change),
        reset: (reset) => this.#listeners.tellOrKeep('reset', reset),
        callback: (...request) => this.#runCallback(...request),
        settled: (...end) => this.#callbacks.settle(...end),
        released: (params) => this.#released(params),
        unclaimed: (result) => releaseWithin(this.#decode(result)),
        sessionLost: () => this.#callbacks.sessionLost(),
      },
      { clock, prefix, token, session, resume },
    );
    this.#surroundings = {
      session: this.#session,
      decode: (json, callbacks) => {
        /** @type {HandleTarget[]} */
        const objects = [];
        const value = this.#decode(json, objects);
        this.#callbacks.keep(callbacks, objects);
        return value;
      },
    };
    /** @type {Socket | undefined} */
    let open;
    this.#heartbeat = new Heartbeat(clock, {
      ask: () => this.#session.ping(),
      unsent: () => open?.unsent() ?? 0,
      lost: () => this.#transport.renew('no sign of life'),
    });
    const events = {
      opened: (/** @type {Socket} */ socket) => {
        open = socket;
        this.#session.connected(socket);
      },
      received: (/** @type {string} */ text) => {
        // What comes behind the answer to hello shows that the connection carries more than that.
        if (this.#state === 'open') {
          this.#transport.proved();
          this.#heartbeat.heard();
        }
        this.#session.received(text);
      },
      lost: (/** @type {[number, string]} */ ...close) => this.#lost(...close),
    };
    this.#transport = new Transport(url, WebSocket, events, clock, random);
    this.#transport.start();
    this.#forgetNetwork = watchNetwork({
      back: () => this.#transport.hurry(),
      changed: () => this.#transport.renew('the network changed'),
    });
  }

  /** @returns {State | 'connecting'} */
  get state() {
    return this.#state;
  }

  /** What the gateway allows, as it said at hello. */
  get limits() {
    return { ...this.#session.limits };
  }

  /** The secret id of the session, for REST calls in it (header `Session-Id`). */
  get session() {
    return this.#session.id;
  }

  /** What `connect(url, {resume})` of another page needs to go on with this stream, as plain data. */
  get resumption() {
    return this.#session.resumption;
  }

  /**
   * The proxy of a service. Whether the gateway has one of that name, the first call tells.
   * @param {string} name
   */
  service(name) {
    if (typeof name !== 'string' || !/^[A-Za-z]\w*$/.test(name)) {
      throw new GatewayError('invalid_argument', `${String(name)} is no name of a service`);
    }
    let proxy = this.#services.get(name);
    if (!proxy) {
      proxy = remoteProxy({ kind: 'service', name }, this.#caller);
      this.#services.set(name, proxy);
    }
    return proxy;
  }

  /**
   * @param {string} event 'state', 'released', 'reset' or 'error'
   * @param {(...args: any[]) => void} listener
   * @returns {() => void} removes the listener
   */
  on(event, listener) {
    return this.#listeners.add(event, listener);
  }

  [DISPOSE]() {
    this.close();
  }

  /** Close the connection for good. Calls without an answer fail; objects and callbacks are given up. */
  close() {
    this.#session.close();
    this.#transport.stop(1000, '');
  }

  /** @param {HandleTarget} target */
  #release(target) {
    if (!target.released) {
      target.released = true;
      this.#unreachable.unregister(target);
      this.#session.release(target.token, target.generation);
    }
  }

  /** @param {unknown} json @param {HandleTarget[]} [objects] collects those that are in it */
  #decode(json, objects) {
    return decode(json, (token, interfaceName) => {
      const generation = this.#session.generation;
      /** @type {HandleTarget} */
      const target = { kind: 'handle', owner: this, token, interfaceName, generation, released: false };
      objects?.push(target);
      // The target, not the proxy: a method that was taken off its object keeps the target, and so the object.
      this.#unreachable.register(target, { token, generation }, target);
      return remoteProxy(target, this.#caller);
    });
  }

  /**
   * @param {string} name
   * @param {string} method
   * @param {unknown[]} params
   * @param {() => AbortSignal} signal
   */
  async #runCallback(name, method, params, signal) {
    const args = this.#decode(params);
    const target = this.#callbacks.target(name);
    const callee = typeof target === 'function' ? target : target && findMethod(target, method);
    if (!callee) {
      releaseWithin(args);
      if (!target) {
        throw new GatewayError('not_found', `this client has no callback ${name}`);
      }
      const missing = new GatewayError('unimplemented', `the callback has no method ${method}`);
      if (this.#callbacks.missed(name, method)) {
        // Perhaps misspelt: nobody but the service would ever know.
        console.warn(missing.message, target);
      }
      throw missing;
    }
    // One more than the schema has, for a method that declares one more: the others see nothing of it.
    if (callee.length > args.length) {
      args.push({ signal: signal() });
    }
    let result;
    try {
      result = await callee.apply(callee === target ? undefined : target, args);
    } catch (error) {
      this.#callbackFailed(error);
      throw error;
    }
    const references = new References(this, this.#callbacks);
    try {
      const written = encodeResult(result, references);
      tooMany(`the answer of ${method}`, references.values, this.#session.limits.max_values);
      await Promise.allSettled(references.holes.map(({ target }) => target.base.result));
      references.holes.forEach((hole) => fill(hole, references));
      return { result: written.value, callbacks: references.callbacks };
    } catch (error) {
      references.discard();
      throw error;
    }
  }

  /**
   * The service is told what a callback threw; so is whoever wrote the callback, unless it was thrown for the service.
   * @param {unknown} error
   */
  #callbackFailed(error) {
    if (error instanceof GatewayError || this.#listeners.tell('error', error)) {
      return;
    }
    const { reportError = console.error } = /** @type {any} */ (globalThis);
    reportError(error);
  }

  /** @param {Record<string, unknown>} params */
  #released(params) {
    if (typeof params.callback === 'string') {
      this.#callbacks.released(params.callback);
    }
    this.#listeners.tell('released', params);
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    const again = this.#session.disconnected(code, reason);
    if (again && this.#state === 'connecting' && !this.#retry) {
      // Whoever calls `connect` is told at once, unless they would rather wait.
      this.#changeState('closed', {
        error:
          this.#session.failure ??
          new GatewayError(
            'unavailable',
            // Browsers do not say why: perhaps pages of that origin are not let in.
            `the gateway could not be reached (${code}) from ${globalThis.origin ?? 'node'}`,
          ),
      });
      return false;
    }
    return again;
  }

  /** @param {State} state @param {StateDetails} details */
  #changeState(state, details) {
    this.#state = state;
    if (state === 'open') {
      this.#heartbeat.start();
    } else {
      this.#heartbeat.stop();
    }
    if (state === 'closed') {
      this.#forgetNetwork();
    }
    this.#listeners.tell('state', state, details);
  }
}
