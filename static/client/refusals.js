// @ts-check
/**
 * What the gateway's refusal of a call says: whether the call was begun at all, and when it may be made again. Knows the
 * error and nothing else.
 */

// Whoever would have to wait longer is told so, and may do something else.
export const LONGEST_WAIT_S = 60;

/** In how many seconds the call may be made again, if it was not begun. @param {any} data of the error */
export const waitOf = (data) => data?.retry_after ?? data?.cause?.retry_after;

/** Whether that is an error by which JSON-RPC itself says that nothing was called. @param {number} code */
export const neverStarted = (code) => code <= -32600 && code !== -32603;
