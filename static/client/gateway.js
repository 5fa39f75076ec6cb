// @ts-check
/**
 * The connection as its user sees it. Joins the parts: proxies make calls, values.js writes them, the session carries
 * them, the transport moves the text.
 */
import { CallbackTable } from './callbacks.js';
import { GatewayError } from './errors.js';
import { pendingProxy, releaseWithin, remoteProxy, targetOf, valueAt } from './proxies.js';
import { References } from './references.js';
import { Session } from './session.js';
import { Transport, systemClock } from './transport.js';
import { decode, encodeParams, encodeResult, findMethod } from './values.js';

/** @typedef {import('./calls.js').CallOptions} CallOptions */
/** @typedef {import('./proxies.js').ServiceTarget} ServiceTarget */
/** @typedef {import('./proxies.js').HandleTarget} HandleTarget */
/** @typedef {import('./proxies.js').PendingTarget} PendingTarget */
/** @typedef {import('./proxies.js').Params} Params */
/** @typedef {import('./session.js').State} State */
/** @typedef {import('./session.js').StateDetails} StateDetails */
/** @typedef {import('./transport.js').Socket} Socket */

/**
 * @typedef {object} GatewayOptions
 * @property {string} [token] sent with hello; proves who the user is
 * @property {import('./transport.js').Clock} [clock]
 * @property {() => number} [random]
 */

export class Gateway {
  #session;
  #transport;
  #callbacks = new CallbackTable();
  /** @type {Map<string, any>} */
  #services = new Map();
  /** @type {Map<string, Set<(...args: any[]) => void>>} */
  #listeners = new Map([
    ['state', new Set()],
    ['released', new Set()],
  ]);
  /** @type {State | 'connecting'} */
  #state = 'connecting';
  /** The safety net: gives back an object that nobody released and nobody can reach any more. */
  #unreachable = new FinalizationRegistry((/** @type {{token: string, generation: number}} */ { token, generation }) =>
    this.#session.release(token, generation),
  );
  /** What proxies do. @type {import('./proxies.js').Caller} */
  #caller = {
    call: (target, method, params, options) => pendingProxy(this.#call(target, method, params, options), this.#caller),
    describe: (target) => this.#describe(target),
    release: (target) => this.#release(target),
  };

  /**
   * @param {string} url
   * @param {import('./transport.js').SocketClass} WebSocket
   * @param {GatewayOptions} [options]
   */
  constructor(url, WebSocket, { token, clock = systemClock, random } = {}) {
    this.#session = new Session(
      {
        state: (state, details) => this.#changeState(state, details),
        callback: (name, method, params) => this.#runCallback(name, method, params),
        settled: (names, accepted) => this.#callbacks.settle(names, accepted),
        released: (params) => this.#released(params),
        unclaimed: (result) => releaseWithin(this.#decode(result)),
        sessionLost: () => this.#callbacks.sessionLost(),
      },
      { clock, token },
    );
    const events = {
      opened: (/** @type {Socket} */ socket) => this.#session.connected(socket),
      received: (/** @type {string} */ text) => this.#session.received(text),
      lost: (/** @type {number} */ code, /** @type {string} */ reason) => this.#lost(code, reason),
    };
    this.#transport = new Transport(url, WebSocket, events, clock, random);
    this.#transport.start();
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
   * @param {string} event 'state' or 'released'
   * @param {(...args: any[]) => void} listener
   * @returns {() => void} removes the listener
   */
  on(event, listener) {
    const listeners = this.#listeners.get(event);
    if (!listeners) {
      throw new TypeError(`there is no event ${event}; there are ${[...this.#listeners.keys()].join(' and ')}`);
    }
    // Wrapped, so that a function that was added twice is heard twice and removed once at a time.
    const entry = (/** @type {any[]} */ ...args) => listener(...args);
    listeners.add(entry);
    return () => void listeners.delete(entry);
  }

  /** Close the connection for good. Calls without an answer fail; objects and callbacks are given up. */
  close() {
    this.#session.close();
    this.#transport.stop(1000, '');
  }

  /**
   * @param {ServiceTarget | HandleTarget | PendingTarget} target
   * @param {string} method
   * @param {Params} params
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  #call(target, method, params, options) {
    const references = new References(this, this.#callbacks);
    try {
      checkTimeout(options?.timeout);
      // Written now, before anything is waited for: what the caller changes afterwards must not be sent.
      const json = encodeParams(params, references);
      const call = { method, json, references, options };
      // A pending result is waited for, which costs a round trip. Once the gateway takes calls into results
      // (`#<id>.path`, `$result`), they are written here instead and everything goes out at once.
      return target.kind === 'pending' || references.holes.length > 0
        ? this.#sendLater(target, call)
        : this.#send(target, call);
    } catch (error) {
      references.discard();
      return Promise.reject(error);
    }
  }

  /**
   * @param {ServiceTarget | HandleTarget} target
   * @param {{method: string, json: unknown, references: References, options?: CallOptions}} call
   */
  async #send(target, { method, json, references, options }) {
    let generation = references.generation;
    if (target.kind === 'handle') {
      if (target.released) {
        references.discard();
        throw new GatewayError('failed_precondition', `${target.interfaceName ?? 'the object'} was released`);
      }
      generation = Math.min(target.generation, generation ?? Infinity);
    }
    const wireName = target.kind === 'service' ? `${target.name}.${method}` : `@${target.token}.${method}`;
    const prepared = { method: wireName, params: json, callbacks: references.callbacks, generation };
    return this.#decode(await this.#session.call(prepared, options));
  }

  /**
   * @param {ServiceTarget | HandleTarget | PendingTarget} target
   * @param {{method: string, json: unknown, references: References, options?: CallOptions}} call
   */
  async #sendLater(target, call) {
    try {
      await fillHoles(call.references);
      if (target.kind === 'pending') {
        target = remoteAt(await resultOf(target), target.path);
      }
    } catch (error) {
      call.references.discard();
      throw error;
    }
    return this.#send(target, call);
  }

  /** @param {ServiceTarget | HandleTarget} target */
  async #describe(target) {
    const [params, generation] =
      target.kind === 'service' ? [{ service: target.name }] : [{ handle: target.token }, target.generation];
    const description = await this.#session.call({ method: 'rpc.describe', params, callbacks: [], generation });
    return decode(description, (token) => token);
  }

  /** @param {HandleTarget} target */
  #release(target) {
    if (!target.released) {
      target.released = true;
      this.#unreachable.unregister(target);
      this.#session.release(target.token, target.generation);
    }
  }

  /** @param {unknown} json */
  #decode(json) {
    return decode(json, (token, interfaceName) => {
      const generation = this.#session.generation;
      /** @type {HandleTarget} */
      const target = { kind: 'handle', owner: this, token, interfaceName, generation, released: false };
      // The target, not the proxy: a method that was taken off its object keeps the target, and so the object.
      this.#unreachable.register(target, { token, generation }, target);
      return remoteProxy(target, this.#caller);
    });
  }

  /**
   * @param {string} name
   * @param {string} method
   * @param {unknown[]} params
   */
  async #runCallback(name, method, params) {
    const args = this.#decode(params);
    const target = this.#callbacks.target(name);
    const callee = typeof target === 'function' ? target : target && findMethod(target, method);
    if (!callee) {
      releaseWithin(args);
      throw target
        ? new GatewayError('unimplemented', `the callback has no method ${method}`)
        : new GatewayError('not_found', `this client has no callback ${name}`);
    }
    const result = await callee.apply(callee === target ? undefined : target, args);
    const references = new References(this, this.#callbacks);
    try {
      const written = encodeResult(result, references);
      await fillHoles(references);
      return { result: written.value, callbacks: references.callbacks };
    } catch (error) {
      references.discard();
      throw error;
    }
  }

  /** @param {Record<string, unknown>} params */
  #released(params) {
    if (typeof params.callback === 'string') {
      this.#callbacks.released(params.callback);
    }
    this.#emit('released', params);
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    const again = this.#session.disconnected(code, reason);
    if (again && this.#state === 'connecting') {
      // Whoever calls `connect` is told at once; only a connection that once stood is worth waiting for.
      this.#changeState('closed', {
        error:
          this.#session.failure ?? new GatewayError('unavailable', `the gateway could not be reached (code ${code})`),
      });
      return false;
    }
    return again;
  }

  /** @param {State} state @param {StateDetails} details */
  #changeState(state, details) {
    this.#state = state;
    this.#emit('state', state, details);
  }

  /** @param {string} event @param {unknown[]} args */
  #emit(event, ...args) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        // The listener's fault, to be seen as such; the connection goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
if (Symbol.dispose) {
  Object.defineProperty(Gateway.prototype, Symbol.dispose, { value: Gateway.prototype.close });
}

/** @param {number} [timeout] */
function checkTimeout(timeout) {
  if (timeout !== undefined && !(timeout > 0 && timeout < Infinity)) {
    throw new GatewayError(
      'invalid_argument',
      `the timeout is ${timeout}; it must be a number of milliseconds above 0`,
    );
  }
}

/**
 * Wait for the results that stand in a message, and write them into their places.
 * @param {References} references
 */
async function fillHoles(references) {
  for (const { holder, key, path, target } of references.holes) {
    holder[key] = encodeResult(valueAt(await resultOf(target), target.path), references, path).value;
  }
}

/** @param {PendingTarget} target */
async function resultOf(target) {
  try {
    return await target.result;
  } catch (error) {
    if (!(error instanceof GatewayError)) {
      throw error;
    }
    const { code, message, requestId, data } = error;
    throw new GatewayError(code, `the call that this one builds on failed: ${message}`, {
      requestId,
      data: { code, cause: data },
      cause: error,
    });
  }
}

/**
 * @param {unknown} whole
 * @param {string[]} path
 */
function remoteAt(whole, path) {
  const target = targetOf(valueAt(whole, path));
  if (target?.kind !== 'handle') {
    throw new GatewayError('invalid_argument', `${['the result', ...path].join('.')} is not a remote object`);
  }
  return target;
}
