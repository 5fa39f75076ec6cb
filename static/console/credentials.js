// @ts-check
/** The variables of the environment that stand in snippets for secrets and credentials. Knows no page. */

/** For a key or token. */
export const KEY = 'CARA_GATEWAY_KEY';
/** For `user:password`. */
export const BASIC = 'CARA_GATEWAY_BASIC';

/** @param {string} name of a field */
export function variableName(name) {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, '$1_$2')
    .replaceAll(/\W/g, '_')
    .toUpperCase();
}
