// @ts-check
/** What a socket's close code says of the stream that it carried (PROTOCOL.md, "Limits and close codes"). */

/** The gateway refuses this page; the same hello would fail again. */
const REFUSED = new Map([
  [4401, 'unauthenticated'],
  [4403, 'permission_denied'],
]);

/** The stream ended with its socket; after every other code it can be resumed. */
const STREAM_ENDED = new Set([1003, 1007, 1009, 4000, 4002, 4003, 4004]);

// Another page goes on with the stream. To ask for it again would take it from that one, which would ask for it again.
const REPLACED = 4001;

/**
 * @param {number} code
 * @returns {{refused?: string, ended: boolean, replaced: boolean}} `refused`: the status that this is for the page
 */
export function meaningOf(code) {
  return { refused: REFUSED.get(code), ended: STREAM_ENDED.has(code), replaced: code === REPLACED };
}
