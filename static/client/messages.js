// @ts-check
/** How a JSON-RPC 2.0 message is written, and what anybody may ask of a value that came in one. */

/** @param {object} members without `jsonrpc` */
export function textOf(members) {
  return JSON.stringify({ jsonrpc: '2.0', ...members });
}

/**
 * Whether a value has members; an array has.
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isObject(value) {
  return typeof value === 'object' && value !== null;
}
