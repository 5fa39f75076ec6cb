// @ts-check
/**
 * What the user of the client holds: services and returned objects whose every property is a remote method, and calls
 * that have not been answered, whose properties can be called already. Knows which names are remote; how a call is made
 * is the caller's business.
 */
import { GatewayError } from './errors.js';
import { isObject } from './messages.js';

/**
 * @typedef {object} ServiceTarget
 * @property {'service'} kind
 * @property {string} name
 */

/**
 * @typedef {object} HandleTarget an object of the gateway; one count of its handle belongs to this
 * @property {'handle'} kind
 * @property {object} owner the caller it came from
 * @property {string} token
 * @property {string | null} interfaceName
 * @property {number} generation the session that it came in
 * @property {boolean} released
 */

/**
 * @typedef {object} Base a call whose result others may build on
 * @property {string} label what its user called, for errors
 * @property {string} id of its request; empty as long as there is none
 * @property {boolean} settled whether it was answered or failed
 * @property {any} [value] the result
 * @property {GatewayError} [error]
 * @property {Promise<any>} result
 */

/**
 * @typedef {object} PendingTarget a place in the result of a call that may not have been answered
 * @property {'pending'} kind
 * @property {Base} base
 * @property {string[]} path
 */

/** @typedef {import('./calls.js').CallOptions} CallOptions */
/** @typedef {unknown[] | Record<string, unknown>} Params by position or by name */

/**
 * @typedef {object} Caller
 * @property {(target: ServiceTarget | HandleTarget | PendingTarget, method: string, params: Params, options: CallOptions | undefined, entrance: Function) => any} call
 *   gives a pending proxy; `entrance` is what the page called
 * @property {(target: HandleTarget) => void} release
 */

// `await` asks every object for `then`, JSON.stringify for `toJSON`, and many libraries look at `constructor`: a remote
// method in their place would be called by accident, and an await would hang.
const NEVER_REMOTE = new Set(['then', 'toJSON', 'constructor']);

// What JavaScript calls by itself where a value should stand. A call in that place was forgotten to be awaited.
/** @type {Set<string | symbol>} */
const NEVER_PENDING = new Set(['toString', 'valueOf', 'toLocaleString', 'toJSON', Symbol.toPrimitive]);

// Node's console and `util.inspect` look for it.
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

// What `using` looks for; platforms that have no such symbol have no `using`.
export const DISPOSE = Symbol.dispose ?? Symbol('dispose');

// Finds what stands behind a proxy. Only this module has it, so no value from outside can look like a proxy.
const TARGET = Symbol('target');

/**
 * What stands behind a proxy of this client; undefined for every other value.
 * @param {any} value
 * @returns {ServiceTarget | HandleTarget | PendingTarget | undefined}
 */
export function targetOf(value) {
  return value?.[TARGET];
}

/**
 * Make the proxy of a service or a returned object.
 * @param {ServiceTarget | HandleTarget} target
 * @param {Caller} caller
 */
export function remoteProxy(target, caller) {
  /** @type {Map<string, Function>} */
  const methods = new Map();
  /** @param {string} name */
  const method = (name) => {
    let call = methods.get(name);
    if (!call) {
      // Not the proxy but `target` is held: a method taken off its object keeps the object alive.
      const made = (/** @type {unknown[]} */ ...args) => caller.call(target, name, withoutTail(args), undefined, made);
      call = made;
      methods.set(name, call);
    }
    return call;
  };
  const own = ownMembers(target, caller);
  own.$get = method;
  const isService = target.kind === 'service';
  own.$describe = () =>
    ask(caller, 'describe', isService ? { service: target.name } : { handle: target.token }, own.$describe);
  if (isService) {
    own.$service = target.name;
  } else {
    own.$handle = target.token;
    own.$interface = target.interfaceName;
    own[DISPOSE] = own.$release = () => caller.release(target);
  }
  const label = labelOf(target);
  const described = () => `[remote ${label}]`;
  own[Symbol.toStringTag] = label;
  // Without it a template string would call a remote method `toString`.
  own[Symbol.toPrimitive] = described;

  return new Proxy(Object.freeze(Object.create(null, { [INSPECT]: { value: described } })), {
    get: (_, name) => (isRemoteName(name) ? method(name) : own[name]),
    has: hasIn(own),
  });
}

/**
 * What the page calls a target, for people.
 * @param {ServiceTarget | HandleTarget | PendingTarget} target
 * @returns {string}
 */
export function labelOf(target) {
  if (target.kind === 'pending') {
    return [`${target.base.label}(…)`, ...target.path].join('.');
  }
  return target.kind === 'service' ? target.name : (target.interfaceName ?? 'object');
}

/**
 * What a proxy has of its own.
 * @param {ServiceTarget | HandleTarget | PendingTarget} target
 * @param {Caller} caller
 */
function ownMembers(target, caller) {
  /** @type {Record<string | symbol, any>} */
  const own = {
    __proto__: null,
    [TARGET]: target,
    /** @param {string} name @param {Params} [params] @param {CallOptions} [options] */
    $call: (name, params = [], options = {}) => caller.call(target, name, params, options, own.$call),
    // Being written, `own` is as good as its proxy.
    /** @param {string} name */
    $as: (name) => ask(caller, 'cast', { handle: own, interface: name }, own.$as),
  };
  return own;
}

/**
 * Call a method of the gateway itself: they are as those of a service.
 * @param {Caller} caller
 * @param {string} method
 * @param {Params} params
 * @param {Function} entrance
 */
function ask(caller, method, params, entrance) {
  return caller.call({ kind: 'service', name: 'rpc' }, method, params, undefined, entrance);
}

/** @param {object} own @returns {(_: object, name: string | symbol) => boolean} */
function hasIn(own) {
  return (_, name) => name in own && name !== TARGET;
}

/**
 * Make the promise of a call's result whose properties are places in that result.
 * @param {Base} base
 * @param {Caller} caller
 */
export function pendingProxy(base, caller) {
  return placeProxy({ kind: 'pending', base, path: [] }, caller, base.result);
}

/**
 * @param {PendingTarget} target
 * @param {Caller} caller
 * @param {object} shape what `typeof` and `instanceof` see: the promise itself, below it a function
 * @returns {any}
 */
function placeProxy(target, caller, shape) {
  const { base, path } = target;
  const value = () => (path.length === 0 ? base.result : base.result.then((whole) => valueAt(whole, path)));
  /** @param {string} name */
  const member = (name) => placeProxy({ ...target, path: [...path, name] }, caller, () => {});
  const release = () => void value().then(releaseWithin, () => {});
  const misused = () => {
    // It is told here what is wrong, so that the call's own failure need not end a program.
    base.result.catch(() => {});
    throw new TypeError(`${labelOf(target)} was not awaited`);
  };
  /** @param {object} _ @param {unknown} __ @param {unknown[]} args @returns {any} */
  const apply = (_, __, args) => {
    const method = /** @type {string} */ (path.at(-1));
    return caller.call({ ...target, path: path.slice(0, -1) }, method, withoutTail(args), undefined, apply);
  };
  const own = Object.assign(ownMembers(target, caller), {
    then: (/** @type {any} */ fulfilled, /** @type {any} */ rejected) => value().then(fulfilled, rejected),
    catch: (/** @type {any} */ rejected) => value().catch(rejected),
    finally: (/** @type {any} */ action) => value().finally(action),
    $get: member,
    $release: release,
    [DISPOSE]: release,
    [Symbol.toStringTag]: 'Promise',
  });
  return new Proxy(shape, {
    get: (_, name) => {
      if (NEVER_PENDING.has(name)) {
        return misused;
      }
      return isRemoteName(name) && !(name in own) ? member(name) : own[name];
    },
    has: hasIn(own),
    apply,
  });
}

/** @param {string | symbol} name @returns {name is string} */
function isRemoteName(name) {
  return typeof name === 'string' && !name.startsWith('$') && !NEVER_REMOTE.has(name);
}

/**
 * `add(2, undefined)` is `add(2)`: what is missing at the end takes its default.
 * @param {unknown[]} args
 */
function withoutTail(args) {
  while (args.length > 0 && args.at(-1) === undefined) {
    args.pop();
  }
  return args;
}

/**
 * Follow a path through a result.
 * @param {any} value
 * @param {string[]} path
 */
export function valueAt(value, path) {
  let place = value;
  for (const [depth, name] of path.entries()) {
    const isData = isObject(place) && targetOf(place) === undefined;
    if (!isData) {
      const where = ['the result', ...path.slice(0, depth)].join('.');
      const what = place === null ? 'null' : isObject(place) ? 'a remote object' : typeof place;
      throw new GatewayError('invalid_argument', `${where} is ${what}, so it has no member ${name}`);
    }
    place = Object.hasOwn(place, name) ? place[name] : undefined;
  }
  return place;
}

/**
 * The remote object at a place in a result.
 * @param {unknown} whole
 * @param {string[]} path
 * @returns {HandleTarget}
 */
export function remoteAt(whole, path) {
  const target = targetOf(valueAt(whole, path));
  if (target?.kind !== 'handle') {
    throw new GatewayError('invalid_argument', `${['the result', ...path].join('.')} is not a remote object`);
  }
  return target;
}

/**
 * Release every remote object in a value.
 * @param {unknown} value
 */
export function releaseWithin(value) {
  if (!isObject(value)) {
    return;
  }
  if (targetOf(value) !== undefined) {
    /** @type {any} */ (value).$release?.();
    return;
  }
  for (const member of Object.values(value)) {
    releaseWithin(member);
  }
}
