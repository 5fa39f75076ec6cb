// @ts-check
/**
 * The connection as its user sees it. Joins the parts: proxies make calls, values.js writes them, the session carries
 * them, the transport moves the text.
 */
import { CallbackTable } from './callbacks.js';
import { failedWith } from './calls.js';
import { GatewayError } from './errors.js';
import { watchNetwork } from './network.js';
import { pendingProxy, releaseWithin, remoteAt, remoteProxy, valueAt } from './proxies.js';
import { References } from './references.js';
import { Session } from './session.js';
import { Transport, systemClock } from './transport.js';
import { decode, encodeParams, encodeResult, findMethod } from './values.js';

/** @typedef {import('./calls.js').CallOptions} CallOptions */
/** @typedef {import('./proxies.js').ServiceTarget} ServiceTarget */
/** @typedef {import('./proxies.js').HandleTarget} HandleTarget */
/** @typedef {import('./proxies.js').PendingTarget} PendingTarget */
/** @typedef {import('./proxies.js').Base} Base */
/** @typedef {import('./calls.js').Sink} Sink */
/** @typedef {import('./proxies.js').Params} Params */
/** @typedef {import('./session.js').State} State */
/** @typedef {import('./session.js').StateDetails} StateDetails */
/** @typedef {import('./transport.js').Socket} Socket */

/**
 * A stream as another page can take it over; plain data.
 * @typedef {import('./session.js').Resumption & {lastCallback: number}} Resumption
 */

/**
 * @typedef {object} GatewayOptions
 * @property {string} [token] sent with hello; proves who the user is
 * @property {string} [session] the id of one that is there already, such as REST's, to share its objects
 * @property {Resumption} [resume] a stream to take over from a page that is no more
 * @property {import('./transport.js').Clock} [clock]
 * @property {() => number} [random]
 */

export class Gateway {
  #session;
  #transport;
  #forgetNetwork;
  #callbacks;
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
  constructor(url, WebSocket, { token, session, resume, clock = systemClock, random } = {}) {
    this.#callbacks = new CallbackTable(resume?.lastCallback);
    this.#session = new Session(
      {
        state: (state, details) => this.#changeState(state, details),
        callback: (name, method, params) => this.#runCallback(name, method, params),
        settled: (names, accepted) => this.#callbacks.settle(names, accepted),
        released: (params) => this.#released(params),
        unclaimed: (result) => releaseWithin(this.#decode(result)),
        sessionLost: () => this.#callbacks.sessionLost(),
      },
      { clock, token, session, resume },
    );
    const events = {
      opened: (/** @type {Socket} */ socket) => this.#session.connected(socket),
      received: (/** @type {string} */ text) => {
        // What comes behind the answer to hello shows that the connection carries more than that.
        if (this.#state === 'open') {
          this.#transport.proved();
        }
        this.#session.received(text);
      },
      lost: (/** @type {number} */ code, /** @type {string} */ reason) => this.#lost(code, reason),
    };
    this.#transport = new Transport(url, WebSocket, events, clock, random);
    this.#transport.start();
    this.#forgetNetwork = watchNetwork({
      back: () => this.#transport.hurry(),
      changed: () => this.#transport.renew(),
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
    const { resumption } = this.#session;
    return resumption && { ...resumption, lastCallback: this.#callbacks.lastNumber };
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
   * @returns {Base}
   */
  #call(target, method, params, options = {}) {
    const references = new References(this, this.#callbacks);
    const base = this.#newBase();
    try {
      checkTimeout(options.timeout);
      // Written now, before anything is waited for: what the caller changes afterwards must not be sent.
      const json = encodeParams(params, references);
      const call = { method, json, references, options };
      if (this.#canSend(target, references)) {
        this.#send(base, target, call);
      } else {
        this.#sendLater(base, target, call);
      }
    } catch (error) {
      references.discard();
      base.reject(error);
    }
    return base;
  }

  #newBase() {
    /** @type {Base & {resolve: (value: any) => void, reject: (error: any) => void}} */
    const base = /** @type {any} */ ({ id: 0, generation: this.#session.generation, settled: false });
    base.result = new Promise((resolve, reject) => {
      base.resolve = (value) => {
        base.settled = true;
        resolve((base.value = value));
      };
      base.reject = (error) => {
        base.settled = true;
        reject((base.error = error));
      };
    });
    return base;
  }

  /**
   * Whether everything that the call builds on is there, or the gateway knows the calls that it will come from.
   * @param {ServiceTarget | HandleTarget | PendingTarget} target
   * @param {References} references
   */
  #canSend(target, references) {
    const pending = references.holes.map((hole) => hole.target);
    if (target.kind === 'pending') {
      pending.push(target);
    }
    const { generation } = this.#session;
    return pending.every(({ base }) => base.settled || (base.id !== 0 && base.generation === generation));
  }

  /**
   * @param {Sink} base
   * @param {ServiceTarget | HandleTarget | PendingTarget} target
   * @param {{method: string, json: unknown, references: References, options: CallOptions}} call
   */
  #send(base, target, { method, json, references, options }) {
    /** @type {Set<number>} */
    const needs = new Set();
    const guessed = references.holes.filter((hole) => !fill(hole, references, needs));
    let generation = references.generation;
    let owner;
    if (target.kind === 'pending' && target.base.settled) {
      target = remoteAt(valueOf(target.base), target.path);
    }
    if (target.kind === 'service') {
      owner = target.name;
    } else if (target.kind === 'handle') {
      if (target.released) {
        throw new GatewayError('failed_precondition', `${target.interfaceName ?? 'the object'} was released`);
      }
      generation = Math.min(target.generation, generation ?? Infinity);
      owner = `@${target.token}`;
    } else {
      needs.add(target.base.id);
      owner = ['#' + target.base.id, ...target.path.map(escaped)].join('.');
    }
    if (needs.size > 0) {
      generation = Math.min(this.#session.generation, generation ?? Infinity);
    }
    const { callbacks } = references;
    const prepared = { method: `${owner}.${method}`, params: json, callbacks, generation, needs: [...needs] };
    /** @type {Sink} */
    const sink = { resolve: (result) => base.resolve(this.#decode(result)), reject: base.reject };
    const id = this.#session.call(
      prepared,
      options,
      guessed.length === 0
        ? sink
        : this.#guessing(sink, references, guessed, (again) =>
            this.#sendLater(base, target, { method, json, references: again, options }),
          ),
    );
    Object.assign(base, { id });
  }

  /**
   * Where a parameter is a value and no object, the gateway takes no reference to a result. Nothing was called then, so
   * the call is made again with the value itself.
   * @param {Sink} sink
   * @param {References} references
   * @param {import('./references.js').Hole[]} guessed the places where references stand
   * @param {(references: References) => void} again
   * @returns {Sink}
   */
  #guessing(sink, references, guessed, again) {
    references.hold();
    return {
      resolve: (result) => {
        references.discard();
        sink.resolve(result);
      },
      reject: (error) => {
        if (guessed.some(({ path }) => error.code === 'invalid_argument' && error.path === path)) {
          again(references.again(guessed));
        } else {
          references.discard();
          sink.reject(error);
        }
      },
    };
  }

  /**
   * Wait for what the call builds on.
   * @param {Sink} base
   * @param {ServiceTarget | HandleTarget | PendingTarget} target
   * @param {{method: string, json: unknown, references: References, options: CallOptions}} call
   */
  async #sendLater(base, target, call) {
    try {
      await waitFor(call.references);
      if (target.kind === 'pending') {
        await target.base.result.catch(() => {});
      }
      this.#send(base, target, call);
    } catch (error) {
      call.references.discard();
      base.reject(/** @type {any} */ (error));
    }
  }

  /** @param {ServiceTarget | HandleTarget} target */
  async #describe(target) {
    const [params, generation] =
      target.kind === 'service' ? [{ service: target.name }] : [{ handle: target.token }, target.generation];
    const prepared = { method: 'rpc.describe', params, callbacks: [], generation };
    const description = await new Promise((resolve, reject) => {
      this.#session.call(prepared, {}, { resolve, reject });
    });
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
      await waitFor(references);
      references.holes.forEach((hole) => fill(hole, references));
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
    if (state === 'closed') {
      this.#forgetNetwork();
    }
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
 * Wait for the results that stand in a message; whether they are errors shows when they are written.
 * @param {References} references
 */
function waitFor({ holes }) {
  return Promise.allSettled(holes.map(({ target }) => target.base.result));
}

/**
 * Write a result into its place, or where it will be found.
 * @param {import('./references.js').Hole} hole
 * @param {References} references
 * @param {Set<number>} [needs] collects the calls that are referred to
 * @returns {boolean} whether the result was there
 */
function fill({ holder, key, path, target: { base, path: place } }, references, needs) {
  if (!base.settled) {
    needs?.add(base.id);
    holder[key] = { $result: base.id, path: place };
    return false;
  }
  holder[key] = encodeResult(valueAt(valueOf(base), place), references, path).value;
  return true;
}

/**
 * The result of a call that has ended.
 * @param {Base} base
 */
function valueOf({ value, error }) {
  if (error instanceof GatewayError) {
    throw failedWith(error);
  }
  if (error) {
    throw error;
  }
  return value;
}

/** @param {string} segment a member's name in the method of a call into a result */
function escaped(segment) {
  return segment.replaceAll('%', '%25').replaceAll('.', '%2E');
}
