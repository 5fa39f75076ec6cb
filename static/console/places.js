// @ts-check
/** The page's address behind `#`: which method is shown, and with which values. Knows no page. */
import { parseJson, writeJson } from './json-text.js';

/**
 * @typedef {object} Place
 * @property {string} [service]
 * @property {number} [object] its number on this page
 * @property {string} [method]
 * @property {any} [params] JSON to begin with
 */

/** @param {Place} place */
export function formatPlace({ service, object, method, params }) {
  const callee = object === undefined ? (service ?? '') : `@${object}`;
  const values = params === undefined ? '' : `?${encodeURIComponent(writeJson(params))}`;
  return `#${callee}${method === undefined ? '' : `.${method}`}${values}`;
}

/**
 * @param {string} hash as `location.hash`; what is no place is the beginning
 * @returns {Place}
 */
export function parsePlace(hash) {
  const [, callee, method, values] = /^#?([^.?]*)(?:\.([^?]*))?(?:\?(.*))?$/s.exec(hash) ?? [];
  if (!callee) {
    return {};
  }
  const number = /^@(\d+)$/.exec(decoded(callee) ?? '')?.[1];
  const place = {
    ...(number === undefined ? { service: decoded(callee) } : { object: Number(number) }),
    method: method === undefined ? undefined : decoded(method),
  };
  if (!values) {
    return place;
  }
  try {
    return { ...place, params: parseJson(decoded(values) ?? '') };
  } catch {
    // Somebody cut the address; the method is still worth showing.
    return place;
  }
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
