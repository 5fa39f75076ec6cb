// @ts-check
/**
 * JavaScript values ↔ the JSON that travels. Knows the forms of references (`$handle`, `$callback`) and asks the caller
 * to make and find them; knows no schema: the gateway checks values against their types.
 */
import { GatewayError } from './errors.js';
import { isObject } from './messages.js';

/**
 * What encoding needs to know about references.
 * @typedef {object} Outgoing
 * @property {(value: object, path: string) => object | undefined} reference the JSON of a proxy; undefined: not ours
 * @property {(value: object, holder: any, key: string | number, path: string) => boolean} later
 *   true: the value is a call that has not been answered, and `holder[key]` will be filled in when it is
 * @property {(target: object) => object} callback the JSON of an object that the service may call
 * @property {number} values elements and members that were written
 */

/**
 * What decoding needs to know about references.
 * @typedef {(token: string, interfaceName: string | null) => unknown} Incoming makes the proxy of a handle
 */

// The gateway's own limit (`max_depth`); here it also ends the walk through an object that contains itself.
const MAX_DEPTH = 64;

// Objects with methods that would pass for callbacks although whoever passes them means their content.
const NOT_SENDABLE = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'Promise', 'RegExp', 'Error', 'Blob', 'File']);

/**
 * Write parameters by position (an array) or by name (an object). The outermost object is never a callback.
 * @param {unknown[] | Record<string, unknown>} params
 * @param {Outgoing} outgoing
 * @returns {unknown[] | Record<string, unknown>}
 */
export function encodeParams(params, outgoing) {
  if (Array.isArray(params)) {
    return encodeArray(params, '$', 1, outgoing);
  }
  return encodeMembers(params, '$', 1, outgoing);
}

/**
 * Write one value, such as the result of a callback. `undefined` is null.
 * @param {unknown} value
 * @param {Outgoing} outgoing
 * @param {string} [path]
 */
export function encodeResult(value, outgoing, path = '$') {
  // A pending result fills its place in `holder` later, so the value is returned in one.
  const holder = { value: /** @type {unknown} */ (null) };
  holder.value = encode(value, holder, 'value', path, 1, outgoing);
  return holder;
}

/**
 * @param {unknown} value
 * @param {any} holder the array or object that the JSON will stand in
 * @param {string | number} key
 * @param {string} path
 * @param {number} depth
 * @param {Outgoing} outgoing
 * @returns {unknown}
 */
function encode(value, holder, key, path, depth, outgoing) {
  if (value === undefined || value === null) {
    return null;
  }
  if (typeof value === 'symbol') {
    throw refusal('a symbol', path);
  }
  // JSON would carry it, and no Text can hold it.
  if (typeof value === 'string' && /\p{Cs}/u.test(value)) {
    throw refusal('half a character', path);
  }
  if (typeof value === 'boolean' || typeof value === 'string' || Number.isFinite(value)) {
    return value;
  }
  // JSON has no word for what is not finite; the gateway reads the names, as Cap'n Proto's own tool does.
  if (typeof value === 'number' || typeof value === 'bigint') {
    return String(value);
  }
  const object = /** @type {object & { toJSON?: unknown }} */ (value);
  const reference = outgoing.reference(object, path);
  if (reference !== undefined) {
    return reference;
  }
  if (outgoing.later(object, holder, key, path)) {
    return null;
  }
  if (typeof object === 'function') {
    return outgoing.callback(object);
  }
  if (depth > MAX_DEPTH) {
    throw new GatewayError('invalid_argument', `${path} is too deep, or contains itself`, {
      path,
    });
  }
  if (Array.isArray(object)) {
    return encodeArray(object, path, depth + 1, outgoing);
  }
  if (object instanceof ArrayBuffer) {
    return base64(new Uint8Array(object));
  }
  const kind = Object.prototype.toString.call(object).slice('[object '.length, -1);
  if (ArrayBuffer.isView(object)) {
    // Other typed arrays are lists of their numbers.
    return /^(Uint8|DataView)/.test(kind)
      ? base64(new Uint8Array(object.buffer, object.byteOffset, object.byteLength))
      : encodeArray(Array.from(/** @type {Float64Array} */ (object)), path, depth + 1, outgoing);
  }
  if (typeof object.toJSON === 'function') {
    return encode(object.toJSON(), holder, key, path, depth + 1, outgoing);
  }
  if (NOT_SENDABLE.has(kind)) {
    throw refusal(`a value of type ${kind}`, path);
  }
  if (hasMethods(object)) {
    return outgoing.callback(object);
  }
  return encodeMembers(/** @type {Record<string, unknown>} */ (object), path, depth + 1, outgoing);
}

/** @param {unknown[]} array @param {string} path @param {number} depth @param {Outgoing} outgoing */
function encodeArray(array, path, depth, outgoing) {
  /** @type {unknown[]} */
  const json = [];
  outgoing.values += array.length;
  for (let index = 0; index < array.length; index++) {
    json.push(null);
    json[index] = encode(array[index], json, index, `${path}[${index}]`, depth, outgoing);
  }
  return json;
}

/** @param {Record<string, unknown>} object @param {string} path @param {number} depth @param {Outgoing} outgoing */
function encodeMembers(object, path, depth, outgoing) {
  /** @type {Record<string, unknown>} */
  const json = Object.create(null);
  for (const name of Object.keys(object)) {
    const value = object[name];
    if (value !== undefined) {
      outgoing.values++;
      json[name] = encode(value, json, name, `${path}.${name}`, depth, outgoing);
    }
  }
  return json;
}

/**
 * Bytes, which are read as Data with and without annotation.
 * @param {Uint8Array} bytes
 */
function base64(bytes) {
  let binary = '';
  // In slices, because every element is an argument and engines bound their number.
  for (let start = 0; start < bytes.length; start += 8192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(binary);
}

/**
 * Tell whether an object has a function among its own or inherited members. What every object inherits, and the
 * constructor of a class, do not count. Accessors are not run.
 * @param {object} object
 */
export function hasMethods(object) {
  return [...lineage(object)].some((owner) =>
    Object.getOwnPropertyNames(owner).some((name) => findMethod(owner, name)),
  );
}

/**
 * Find a method of a callback, own or inherited, but never one that every object has: a peer must not be able to call
 * `constructor` or `__defineGetter__`.
 * @param {object} object
 * @param {string} name
 * @returns {Function | undefined}
 */
export function findMethod(object, name) {
  for (const owner of lineage(object)) {
    const property = Object.getOwnPropertyDescriptor(owner, name);
    if (property) {
      return typeof property.value === 'function' && name !== 'constructor' ? property.value : undefined;
    }
  }
  return undefined;
}

/**
 * An object and what it inherits from, without what every object inherits.
 * @param {object} object
 */
function* lineage(object) {
  for (let owner = object; owner !== null && !isRootPrototype(owner); owner = Object.getPrototypeOf(owner)) {
    yield owner;
  }
}

/**
 * Recognise Object.prototype of any realm: a frame's, or a test runner's.
 * @param {object} object
 */
function isRootPrototype(object) {
  return Object.getPrototypeOf(object) === null && Object.hasOwn(object, 'isPrototypeOf');
}

/** @param {string} what @param {string} path */
function refusal(what, path) {
  return new GatewayError('invalid_argument', `${path}: ${what} cannot be sent`, { path });
}

/**
 * Read a value: objects come without a prototype, so that a field may be called `constructor` or `__proto__`; handles
 * come as what `incoming` makes of them.
 * @param {unknown} json
 * @param {Incoming} incoming
 * @returns {any}
 */
export function decode(json, incoming) {
  if (!isObject(json)) {
    return json;
  }
  if (Array.isArray(json)) {
    return json.map((element) => decode(element, incoming));
  }
  const members = /** @type {Record<string, unknown>} */ (json);
  const { $handle, $float, interface: interfaceName } = members;
  const names = Object.keys(members);
  // Looking alike is not enough: Json.Value is always data.
  if (
    typeof $handle === 'string' &&
    names.length === 2 &&
    (interfaceName === null || typeof interfaceName === 'string')
  ) {
    return incoming($handle, interfaceName);
  }
  // A number that JSON has none for.
  if (names.length === 1 && /^(NaN|-?Infinity)$/.test(String($float))) {
    return Number($float);
  }
  /** @type {Record<string, unknown>} */
  const value = Object.create(null);
  for (const name of names) {
    value[name] = decode(members[name], incoming);
  }
  return value;
}
