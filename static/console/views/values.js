// @ts-check
/** A value as JSON, with the objects in it as chips. Long lists and texts show their beginning, and more on request. */
import { floatWord, scalarText, visible } from '../json-text.js';
import { asHandle } from '../references.js';
import { element } from './elements.js';

const MOST_ELEMENTS = 50;
const MORE_ELEMENTS = 200;
const MOST_CHARS = 2_000;
const MORE_CHARS = 20_000;
const INLINE_CHARS = 72;

/** @typedef {(token: string) => Node | undefined} Chip makes the chip of an object that is held */

/**
 * @param {any} value
 * @param {Chip} chip
 * @returns {HTMLElement}
 */
export function valueView(value, chip) {
  const made = element('pre', { class: 'json', tabindex: '0', dir: 'ltr' });
  new Writer(made, chip).write(value, '');
  return made;
}

class Writer {
  #out;
  #chip;

  /** @param {Node & ParentNode} out @param {Chip} chip */
  constructor(out, chip) {
    this.#out = out;
    this.#chip = chip;
  }

  /** @param {any} value @param {string} indent */
  write(value, indent) {
    if (typeof value !== 'object' || value === null) {
      this.#scalar(value);
      return;
    }
    const word = floatWord(value);
    if (word) {
      this.#out.append(element('span', { class: 'number' }, JSON.stringify(word)));
      return;
    }
    const handle = asHandle(value);
    const chip = handle && this.#chip(handle.$handle);
    if (chip) {
      this.#out.append(chip);
      return;
    }
    const isArray = Array.isArray(value);
    const names = isArray ? [] : Object.keys(value);
    const count = isArray ? value.length : names.length;
    const [open, close] = isArray ? '[]' : '{}';
    const inline = isArray && shortArray(value);
    if (count === 0 || inline) {
      this.#out.append(inline || open + close);
      return;
    }
    const inner = `${indent}  `;
    this.#out.append(open);
    /** @param {Writer} writer @param {number} from @param {number} to */
    const part = (writer, from, to) => {
      for (let index = from; index < to; index++) {
        writer.#out.append(`${index ? ',' : ''}\n${inner}`);
        if (!isArray) {
          writer.#out.append(
            element('span', { class: 'key' }, element('bdi', {}, visible(JSON.stringify(names[index])))),
            ': ',
          );
        }
        writer.write(value[isArray ? index : names[index]], inner);
      }
    };
    const first = count > MOST_ELEMENTS + 10 ? MOST_ELEMENTS : count;
    part(this, 0, first);
    this.#rest(first, count, MORE_ELEMENTS, isArray ? 'elements' : 'members', `\n${inner}`, part);
    this.#out.append(`\n${indent}${close}`);
  }

  /** @param {any} value */
  #scalar(value) {
    const text = scalarText(value);
    if (text.length <= MOST_CHARS) {
      this.#out.append(element('span', { class: value === null ? 'null' : typeof value }, element('bdi', {}, text)));
      return;
    }
    this.#out.append(element('bdi', { class: 'string' }, text.slice(0, MOST_CHARS)));
    this.#rest(MOST_CHARS, text.length, MORE_CHARS, 'characters', '', (writer, from, to) =>
      writer.#out.append(element('bdi', { class: 'string' }, text.slice(from, to))),
    );
  }

  /**
   * A button in the place of what is not shown yet.
   * @param {number} shown
   * @param {number} count
   * @param {number} step
   * @param {string} what
   * @param {string} before
   * @param {(writer: Writer, from: number, to: number) => void} part
   */
  #rest(shown, count, step, what, before, part) {
    if (shown >= count) {
      return;
    }
    const lead = document.createTextNode(before);
    const button = element('button', { type: 'button', class: 'small quiet more' }, `… ${count - shown} ${what} more`);
    button.addEventListener('click', () => {
      const fragment = document.createDocumentFragment();
      const writer = new Writer(fragment, this.#chip);
      const end = Math.min(count, shown + step);
      part(writer, shown, end);
      writer.#rest(end, count, step, what, before, part);
      const next = fragment.querySelector('button.more');
      lead.remove();
      button.replaceWith(fragment);
      /** @type {HTMLElement | null} */ (next)?.focus();
    });
    this.#out.append(lead, button);
  }
}

/** An array of a few numbers and words stands in one line; '' for every other. @param {any[]} array */
function shortArray(array) {
  const words = array.length > 40 ? [] : array.map((item) => floatWord(item) ?? item);
  if (words.length === 0 || words.some((item) => typeof item === 'object' && item !== null)) {
    return '';
  }
  const text = `[${words.map(scalarText).join(', ')}]`;
  return text.length <= INLINE_CHARS ? text : '';
}

/** @param {string} json */
function piece(json) {
  return element('bdi', {}, visible(json));
}

/**
 * JSON as it was sent, of which the beginning is shown.
 * @param {string} text
 * @returns {HTMLElement}
 */
export function textView(text) {
  const made = element('pre', { class: 'text', tabindex: '0' }, piece(text.slice(0, MOST_CHARS)));
  let shown = MOST_CHARS;
  if (text.length > shown) {
    const button = element('button', { type: 'button', class: 'small quiet more' });
    const tell = () => {
      button.textContent = `… ${text.length - shown} characters more`;
      button.hidden = shown >= text.length;
    };
    button.addEventListener('click', () => {
      button.before(piece(text.slice(shown, shown + MORE_CHARS)));
      shown += MORE_CHARS;
      tell();
    });
    tell();
    made.append(button);
  }
  return made;
}
