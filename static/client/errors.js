// @ts-check
/**
 * The one error class of the client and its two translations: from a JSON-RPC error object, and to one when a callback
 * of this page fails. Knows the status names and their numbers (PROTOCOL.md, "Status table") and nothing else.
 */

import { isObject } from './messages.js';

/** Status name → JSON-RPC error code. */
export const JSONRPC_CODES = Object.freeze({
  cancelled: -32001,
  unknown: -32002,
  invalid_argument: -32602,
  deadline_exceeded: -32004,
  not_found: -32005,
  already_exists: -32006,
  permission_denied: -32007,
  resource_exhausted: -32008,
  failed_precondition: -32009,
  aborted: -32010,
  out_of_range: -32011,
  unimplemented: -32012,
  internal: -32603,
  unavailable: -32014,
  unauthenticated: -32016,
  outcome_unknown: -32017,
  too_large: -32018,
});

/** @type {ReadonlyMap<number, string>} */
const STATUS_NAMES = new Map([
  ...Object.entries(JSONRPC_CODES).map(([name, code]) => /** @type {[number, string]} */ ([code, name])),
  [-32700, 'invalid_argument'],
  [-32600, 'invalid_argument'],
  [-32601, 'not_found'],
]);

/** What the gateway, the service or this client refused or could not do. */
export class GatewayError extends Error {
  /**
   * @param {string} code status name, such as `not_found`
   * @param {string} message for people
   * @param {{path?: string, requestId?: string, data?: Record<string, unknown>, cause?: unknown}} [details]
   */
  constructor(code, message, details = {}) {
    super(message, details);
    /** Status name; what programs decide by. */
    this.code = code;
    /** JSON path of the bad value from the parameters' root, such as `$.items[1].qty`. @type {string | undefined} */
    this.path = details.path;
    /** Finds the call in the gateway's log. @type {string | undefined} */
    this.requestId = details.requestId;
    /** The problem object as the gateway sent it. @type {Record<string, unknown> | undefined} */
    this.data = details.data;
  }
}
// On the prototype, so that it is not one more member in every printed error.
GatewayError.prototype.name = 'GatewayError';

/**
 * Read the `error` member of a JSON-RPC answer. Never throws: a peer that breaks the form gets `unknown`.
 * @param {unknown} error
 * @returns {GatewayError}
 */
export function errorFromAnswer(error) {
  const { code: number, message, data } = /** @type {Record<string, unknown>} */ (isObject(error) ? error : {});
  const problem = isObject(data) ? data : undefined;
  const code = text(problem?.code) || STATUS_NAMES.get(/** @type {number} */ (number)) || 'unknown';
  return new GatewayError(code, text(message) ?? text(problem?.detail) ?? 'the gateway gave no reason', {
    path: text(problem?.path),
    requestId: text(problem?.request_id),
    data: problem,
  });
}

/**
 * Write what a callback threw as the `error` member of a JSON-RPC answer. A `GatewayError` keeps its status, so a
 * callback can answer `not_found` on purpose; everything else is `unknown`. The stack stays in this page.
 * @param {unknown} reason
 */
export function errorToAnswer(reason) {
  const given = reason instanceof GatewayError && Object.hasOwn(JSONRPC_CODES, reason.code);
  const code = /** @type {keyof typeof JSONRPC_CODES} */ (given ? reason.code : 'unknown');
  const message = reason instanceof Error ? reason.message : String(reason);
  const path = given ? reason.path : undefined;
  return {
    code: JSONRPC_CODES[code],
    message,
    data: { code, detail: message, path },
  };
}

/** @param {unknown} value @returns {string | undefined} */
function text(value) {
  return typeof value === 'string' ? value : undefined;
}
