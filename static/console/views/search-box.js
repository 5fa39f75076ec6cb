// @ts-check
/** One field that finds everything: services, methods, types, members, objects, words of comments. */
import { element } from './elements.js';

/** @typedef {import('../search.js').Hit} Hit */

export class SearchBox {
  #input;
  #list;
  #find;
  #choose;
  /** @type {Hit[]} */
  #hits = [];
  #active = -1;

  /**
   * @param {HTMLInputElement} input
   * @param {HTMLElement} list
   * @param {(query: string) => Hit[]} find
   * @param {(hit: Hit) => void} choose
   */
  constructor(input, list, find, choose) {
    this.#input = input;
    this.#list = list;
    this.#find = find;
    this.#choose = choose;
    input.addEventListener('input', () => this.#search());
    input.addEventListener('focus', () => this.#search());
    input.addEventListener('keydown', (event) => this.#key(event));
    input.addEventListener('blur', () => setTimeout(() => this.#close(), 150));
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /** There may be more to be found than before. */
  refresh() {
    if (document.activeElement === this.#input) {
      this.#search();
    }
  }

  #search() {
    this.#hits = this.#input.value.trim() === '' ? [] : this.#find(this.#input.value);
    this.#active = this.#hits.length > 0 ? 0 : -1;
    this.#list.replaceChildren(
      ...this.#hits.map((hit, index) => this.#row(hit, index)),
      ...(this.#hits.length === 0 && this.#input.value.trim() !== ''
        ? [
            element(
              'li',
              { class: 'hint', role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false' },
              'Nothing of that name.',
            ),
          ]
        : []),
    );
    const isOpen = this.#list.children.length > 0;
    this.#list.hidden = !isOpen;
    this.#input.setAttribute('aria-expanded', String(isOpen));
    this.#mark();
  }

  /** @param {Hit} hit @param {number} index */
  #row(hit, index) {
    const row = element(
      'li',
      { role: 'option', id: `hit-${index}` },
      element('span', { class: 'quiet kind' }, hit.kind),
      element('bdi', { class: 'name' }, hit.name),
      element('span', { class: 'quiet where' }, element('bdi', {}, hit.where)),
      element('span', { class: 'quiet words' }, element('bdi', {}, hit.doc.slice(0, 120))),
    );
    row.addEventListener('mousedown', (event) => {
      event.preventDefault();
      this.#take(hit);
    });
    return row;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step && this.#hits.length > 0) {
      event.preventDefault();
      this.#active = (this.#active + step + this.#hits.length) % this.#hits.length;
      this.#mark();
    } else if (event.key === 'Enter' && this.#hits[this.#active]) {
      event.preventDefault();
      this.#take(this.#hits[this.#active]);
    } else if (event.key === 'Escape') {
      this.#close();
      this.#input.value = '';
    }
  }

  #mark() {
    [...this.#list.children].forEach((row, index) => {
      const isActive = index === this.#active;
      row.setAttribute('aria-selected', String(isActive));
      if (isActive) {
        row.scrollIntoView({ block: 'nearest' });
      }
    });
    if (this.#active >= 0) {
      this.#input.setAttribute('aria-activedescendant', `hit-${this.#active}`);
    } else {
      this.#input.removeAttribute('aria-activedescendant');
    }
  }

  /** @param {Hit} hit */
  #take(hit) {
    this.#input.value = '';
    this.#close();
    this.#input.blur();
    this.#choose(hit);
  }

  #close() {
    this.#list.hidden = true;
    this.#input.setAttribute('aria-expanded', 'false');
    this.#input.removeAttribute('aria-activedescendant');
  }
}
