// @ts-check
/** Single values between what somebody types and JSON: numbers, words, bytes. Throws an Error that says what is permitted. */
import { kindOf } from './description.js';

const INTEGER = /^[+-]?\d+$/;
const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const LARGEST_FLOAT32 = 3.4028234663852886e38;
/** @type {Record<string, string>} */
const WORDS = {
  nan: 'NaN',
  inf: 'Infinity',
  infinity: 'Infinity',
  '+inf': 'Infinity',
  '+infinity': 'Infinity',
  '-inf': '-Infinity',
  '-infinity': '-Infinity',
};

/** What a float may be beside a number. */
export const FLOAT_WORDS = ['NaN', 'Infinity', '-Infinity'];

/** As the schema language writes the kind, for messages. @param {string} kind */
export function kindName(kind) {
  return kind.replace(/^uint/, 'UInt').replace(/^./, (first) => first.toUpperCase());
}

/**
 * @param {string} text
 * @param {import('./description.js').Shape} shape
 * @returns {number | string} a text where a number of JSON would lose digits
 */
export function readInteger(text, shape) {
  const { range, wide } = kindOf(shape);
  const typed = text.trim();
  if (!INTEGER.test(typed)) {
    throw new Error(`expected ${kindName(shape.kind)}, got ${JSON.stringify(typed)}`);
  }
  // No number of 64 bits has more digits, and BigInt takes long for a million of them.
  const number = typed.length > 40 ? undefined : BigInt(typed.replace(/^\+/, ''));
  if (range && (number === undefined || number < range[0] || number > range[1])) {
    const shown = typed.length > 40 ? `${typed.slice(0, 40)}…` : typed;
    throw new Error(`${shown} is out of range for ${kindName(shape.kind)} (${range[0]} … ${range[1]})`);
  }
  return wide ? String(number) : Number(number);
}

/**
 * @param {string} text
 * @param {import('./description.js').Shape} shape
 * @returns {number | string} a text for what JSON has no number for
 */
export function readFloat(text, shape) {
  const typed = text.trim();
  const word = typed.toLowerCase();
  if (Object.hasOwn(WORDS, word)) {
    return WORDS[word];
  }
  const number = Number(typed);
  if (!FLOAT.test(typed)) {
    throw new Error(`expected a number, ${FLOAT_WORDS.join(', ')}; got ${JSON.stringify(typed)}`);
  }
  if (Math.abs(number) > (shape.kind === 'float32' ? LARGEST_FLOAT32 : Number.MAX_VALUE)) {
    throw new Error(`${typed} is out of range for ${kindName(shape.kind)}; there is also the word Infinity`);
  }
  // JSON.stringify writes 0 for it.
  return Object.is(number, -0) ? '-0' : number;
}

/**
 * The bytes of a field for Data, as the gateway reads them: base64, or hex where the schema says so.
 * @param {string} text
 * @param {'text' | 'base64' | 'hex'} how it was written
 * @param {string | undefined} encoding
 */
export function readData(text, how, encoding) {
  const bytes = bytesOf(text, how);
  return encoding === 'hex' ? toHex(bytes) : toBase64(bytes);
}

/** @param {string} text @param {'text' | 'base64' | 'hex'} how it was written */
function bytesOf(text, how) {
  return how === 'text' ? new TextEncoder().encode(text) : how === 'hex' ? ofHex(text) : ofBase64(text);
}

/**
 * The same bytes, written in another way.
 * @param {string} text
 * @param {'text' | 'base64' | 'hex'} from
 * @param {'text' | 'base64' | 'hex'} to
 * @throws {Error} the text is none in the first way, or the bytes are no text
 */
export function rewriteData(text, from, to) {
  const bytes = bytesOf(text, from);
  if (to === 'text') {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  }
  return to === 'hex' ? toHex(bytes) : toBase64(bytes);
}

/** How many bytes base64 stands for, as people say it. @param {string} text */
export function bytesInWords(text) {
  const count = Math.floor((text.replace(/=+$/, '').length * 3) / 4);
  return count === 1 ? '1 byte' : `${count} bytes`;
}

/** @param {string} text @returns {Uint8Array} */
function ofHex(text) {
  const digits = text.replaceAll(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) {
    throw new Error('expected two digits of 0-9 and a-f for each byte');
  }
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** @param {string} text @returns {Uint8Array} */
export function ofBase64(text) {
  const compact = text.replaceAll(/\s+/g, '');
  try {
    return Uint8Array.from(atob(compact), (char) => char.charCodeAt(0));
  } catch {
    throw new Error('expected base64: letters, digits, + and /, with = at the end');
  }
}

/** @param {Uint8Array} bytes */
export function toBase64(bytes) {
  let binary = '';
  // In slices, because every element is an argument and engines bound their number.
  for (let start = 0; start < bytes.length; start += 8192) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(binary);
}

/** @param {Uint8Array} bytes */
function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
