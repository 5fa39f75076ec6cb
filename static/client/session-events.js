// @ts-check
/** What a session tells whoever it belongs to. Types only. */

/** @typedef {import('./errors.js').GatewayError} GatewayError */
/** @typedef {'open' | 'reconnecting' | 'closed'} State */

/**
 * @typedef {object} StateDetails
 * @property {boolean} [resumed] with 'open': whether handles of an earlier connection still live
 * @property {number} [code] the socket's close code
 * @property {string} [reason]
 * @property {GatewayError} [error] with 'closed': why
 */

/**
 * @typedef {object} Reset a stream was lost, and another begun
 * @property {string} reason
 * @property {boolean} sameSession whether REST calls and other pages still share its session
 */

/**
 * @typedef {object} OwnEvents
 * @property {(state: State, details: StateDetails) => void} state
 * @property {(reset: Reset) => void} reset comes before 'open'
 * @property {(params: Record<string, unknown>) => void} released the gateway let go of a handle or callback
 * @property {() => void} sessionLost
 */
/** @typedef {OwnEvents & import('./requests.js').RequestEvents} SessionEvents */

export {};
