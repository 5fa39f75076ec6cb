// @ts-check
/** How a JSON-RPC 2.0 message is written. */

/** @param {object} members without `jsonrpc` */
export function textOf(members) {
  return JSON.stringify({ jsonrpc: '2.0', ...members });
}
