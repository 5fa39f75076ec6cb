// @ts-check
/** Calls of services that wait for somebody's answer: a form for each, with the time that is left. */
import { paramsDraft } from '../drafts.js';
import { resultsShape } from '../description.js';
import { membersValue, previewReading } from '../reading.js';
import { element, freshId } from './elements.js';
import { docNode } from './docs.js';
import { firstControl, memberFields } from './fields.js';
import { valueView } from './values.js';

/** @typedef {import('../callbacks.js').Ask} Ask */

/**
 * @typedef {object} Surroundings
 * @property {(service: string) => import('../description.js').Description | undefined} known
 * @property {(token: string) => Node | undefined} chip
 * @property {(interfaceName: string) => import('../objects.js').LiveObject[]} objects
 * @property {(words: string) => void} announce
 */

export class Asks {
  #node;
  #surroundings;
  /** @type {Map<string, {node: HTMLElement, tell: () => void}>} */
  #cards = new Map();
  /** @type {any} */
  #ticking;

  /** @param {HTMLElement} node @param {Surroundings} surroundings */
  constructor(node, surroundings) {
    this.#node = node;
    this.#surroundings = surroundings;
  }

  /** @param {Ask[]} asks */
  show(asks) {
    const ids = new Set(asks.map(({ id }) => id));
    let leaveFocus = false;
    for (const [id, { node }] of this.#cards) {
      if (!ids.has(id)) {
        leaveFocus ||= node.contains(document.activeElement);
        node.remove();
        this.#cards.delete(id);
      }
    }
    for (const ask of asks) {
      if (!this.#cards.has(ask.id)) {
        const card = this.#card(ask);
        this.#cards.set(ask.id, card);
        this.#node.append(card.node);
        this.#surroundings.announce(`${ask.callback.label}.${ask.method} waits for your answer`);
      }
    }
    this.#node.hidden = asks.length === 0;
    if (leaveFocus) {
      this.#leadOn();
    }
    this.#tick();
  }

  /** Who has answered goes on with what waits next, or with the method. */
  #leadOn() {
    const [next] = this.#cards.values();
    const target = next ? firstControl(next.node) : document.getElementById('main');
    /** @type {HTMLElement | null} */ (target)?.focus({ preventScroll: next === undefined });
  }

  #tick() {
    clearInterval(this.#ticking);
    if (this.#cards.size > 0) {
      this.#ticking = setInterval(() => this.#cards.forEach(({ tell }) => tell()), 500);
    }
  }

  /** @param {Ask} ask */
  #card(ask) {
    const { callback, until } = ask;
    const description = this.#surroundings.known(callback.service);
    const method = description?.interfaces[callback.interfaceName]?.methods.find(({ name }) => name === ask.method);
    const began = Date.now();
    const meter = element('progress', { max: String(Math.max(1, until - began)), 'aria-label': 'Time left' });
    const left = element('span', { class: 'hint' });
    const tell = () => {
      const ms = Math.max(0, until - Date.now());
      meter.value = ms;
      left.textContent = ms > 0 ? `${Math.ceil(ms / 1000)} s left` : 'it may wait no longer';
    };
    tell();
    const titleId = freshId();
    const node = element('section', { class: 'ask', 'aria-labelledby': titleId });
    node.append(
      element('h2', { id: titleId }, element('bdi', {}, `${callback.label}.${ask.method}`), ' asks'),
      element('p', { class: 'left' }, meter, ' ', left),
      ...(method?.doc ? [docNode(method.doc) ?? ''] : []),
      element('h3', {}, 'Arguments'),
      valueView(
        Object.fromEntries(ask.args.map((arg, index) => [method?.params[index]?.name ?? `${index}`, arg])),
        this.#surroundings.chip,
      ),
    );
    if (description && method) {
      node.append(this.#form(ask, method, description));
    }
    return { node, tell };
  }

  /** @param {Ask} ask @param {import('../description.js').Method} method @param {import('../description.js').Description} description */
  #form(ask, method, description) {
    const shape = resultsShape(method);
    const draft = paramsDraft(shape, description);
    /** @type {import('./fields.js').Form['complaints']} */
    const complaints = new Map();
    const wrong = element('p', { class: 'complaint', role: 'alert' });
    /** @type {import('./fields.js').Form} */
    const form = {
      tables: description,
      complaints,
      objects: this.#surroundings.objects,
      typeLink: (_, text) => document.createTextNode(text),
      changed: () => void read(),
    };
    const read = () => {
      const reading = previewReading(description);
      const value = membersValue(draft, shape, '$', reading, '');
      complaints.forEach(({ node, controls }) => {
        node.replaceChildren();
        controls.forEach((control) => control.removeAttribute('aria-invalid'));
      });
      for (const { path, message } of reading.problems) {
        complaints.get(path)?.node.append(message);
        complaints.get(path)?.controls.forEach((control) => control.setAttribute('aria-invalid', 'true'));
      }
      wrong.textContent = reading.problems.length > 0 ? 'The answer is not whole yet.' : '';
      return reading.problems.length > 0 ? undefined : value;
    };
    const onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      const value = read();
      if (value) {
        ask.answer(value);
      } else {
        const target = /** @type {HTMLElement} */ (event.currentTarget).querySelector('[aria-invalid=true]');
        /** @type {HTMLElement | null} */ (target)?.focus();
      }
    };
    const fail = () => ask.fail(new Error('refused in the console'));
    return element(
      'form',
      { onsubmit, novalidate: true },
      ...memberFields({ name: '', type: '', shape }, draft, '$', form, ''),
      wrong,
      element(
        'p',
        { class: 'buttons' },
        element('button', { type: 'submit', class: 'primary' }, 'Answer'),
        element('button', { type: 'button', class: 'quiet', onclick: fail }, 'Fail'),
      ),
    );
  }
}
