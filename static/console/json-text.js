// @ts-check
/** JSON as text without loss: integers that a number cannot hold are BigInts, and what is no JSON is said with its place. */

// Not a fraction's digits, and not a text that begins so, as 64-bit integers come as texts.
const LONG_NUMBER = /(?<![\d."])\d{16,}(?![\d.eE])/;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * @param {string} text
 * @returns {any}
 * @throws {Error} with line and column of what is no JSON
 */
export function parseJson(text) {
  try {
    const value = JSON.parse(text);
    return LONG_NUMBER.test(text) ? exact(text) : value;
  } catch (error) {
    throw new Error(`no JSON: ${placed(/** @type {Error} */ (error).message, text)}`);
  }
}

/** The same with BigInts. @param {string} text that is JSON */
function exact(text) {
  // Not every engine tells how a number was written, so the long ones are read as texts that no value has.
  const mark = newMark();
  const marked = text.replace(TOKEN, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? JSON.stringify(mark + token) : token,
  );
  return JSON.parse(marked, (_, value) =>
    typeof value === 'string' && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

/** The beginning of a text that nobody has written. */
function newMark() {
  return `\u0000${Math.random()}:`;
}

/** @param {string} message @param {string} text */
function placed(message, text) {
  const at = /at position (\d+)/.exec(message);
  const position = at ? Number(at[1]) : text.length;
  const before = text.slice(0, position).split('\n');
  const words = message
    .replace(/ in JSON.*| at position.*|, ?"[^]*$|, "?\.\.\.[^]*$/, '')
    .replace(/^JSON\.parse: /, '');
  return `${words} (line ${before.length}, column ${(before.at(-1) ?? '').length + 1})`;
}

/**
 * @param {any} value may hold BigInts
 * @param {number} [indent]
 * @returns {string}
 */
export function writeJson(value, indent = 0) {
  /** @type {string[]} */
  const numbers = [];
  // JSON.stringify refuses BigInts, so they stand in it as texts that no value has, and are put in their place.
  const mark = newMark();
  const text = JSON.stringify(
    value,
    (_, inner) => (typeof inner === 'bigint' ? mark + (numbers.push(String(inner)) - 1) : inner),
    indent,
  );
  if (numbers.length === 0) {
    return text ?? 'null';
  }
  const quoted = JSON.stringify(mark).slice(1, -1).replaceAll('\\', '\\\\').replaceAll('.', '\\.');
  return text.replaceAll(new RegExp(`"${quoted}(\\d+)"`, 'g'), (_, index) => numbers[Number(index)]);
}

// They take no room, and some of them turn the order of what stands beside them. Joiners belong to emoji and to scripts.
const UNSEEN = /(?![\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** JSON in which what nobody sees stands as an escape: the same value, shown as it is. @param {string} json */
export function visible(json) {
  return json.replaceAll(UNSEEN, (found) =>
    found
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** A single value as people read it. @param {any} value no object and no array */
export function scalarText(value) {
  // JSON.stringify writes 0 for -0, and refuses a BigInt.
  const isPlain = typeof value === 'bigint' || Object.is(value, -0);
  return isPlain ? `${value === 0 ? '-' : ''}${value}` : visible(JSON.stringify(value) ?? 'null');
}

/** The word of a float that JSON has no number for, as `/ws` brings it. @param {any} value @returns {string | undefined} */
export function floatWord(value) {
  const word = value?.$float;
  return typeof word === 'string' && /^(NaN|-?Infinity)$/.test(word) && Object.keys(value).length === 1
    ? word
    : undefined;
}

/** How many bytes a text has as UTF-8. @param {string} text */
export function byteLength(text) {
  let extra = 0;
  for (const [run] of text.matchAll(/[^\0-\x7f]+/g)) {
    extra += new TextEncoder().encode(run).length - run.length;
  }
  return text.length + extra;
}
