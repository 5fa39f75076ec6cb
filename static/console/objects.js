// @ts-check
/** The objects that methods returned, with their methods; and how values are shown that contain such objects. */
import { element } from './elements.js';
import { methodPanel } from './methods.js';

/**
 * @typedef {object} LiveObject
 * @property {any} proxy
 * @property {string} interfaceName
 * @property {string} label `Accumulator 1`
 * @property {HTMLElement} node
 */

export class LiveObjects {
  #list;
  #hint;
  #releaseAll;
  #surroundings;
  /** @type {Map<any, LiveObject>} */
  #objects = new Map();
  /** How many there have been of each interface, for their labels. @type {Map<string, number>} */
  #counts = new Map();

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} hint shown while there are none
   * @param {HTMLElement} releaseAll the button
   * @param {import('./methods.js').Surroundings} surroundings
   */
  constructor(list, hint, releaseAll, surroundings) {
    this.#list = list;
    this.#hint = hint;
    this.#releaseAll = releaseAll;
    this.#surroundings = surroundings;
    releaseAll.addEventListener('click', () => [...this.#objects.keys()].forEach((proxy) => this.#release(proxy)));
  }

  get all() {
    return [...this.#objects.values()];
  }

  /**
   * Show an object. Its methods are asked for when it is opened.
   * @param {any} proxy
   * @returns {LiveObject}
   */
  add(proxy) {
    const known = this.#objects.get(proxy);
    if (known) {
      return known;
    }
    const interfaceName = proxy.$interface ?? 'object';
    const count = (this.#counts.get(interfaceName) ?? 0) + 1;
    this.#counts.set(interfaceName, count);
    const label = `${interfaceName} ${count}`;
    const release = element(
      'button',
      { type: 'button', class: 'small', onclick: () => this.#release(proxy) },
      'Release',
    );
    release.setAttribute('aria-label', `Release ${label}`);
    const methods = element('div', { class: 'methods' });
    const details = element('details', {}, element('summary', {}, label), methods);
    details.addEventListener('toggle', () => this.#describe(proxy, methods), { once: true });
    const node = element('li', { class: 'card', tabindex: '-1' }, details, release);
    const object = { proxy, interfaceName, label, node };
    this.#objects.set(proxy, object);
    this.#list.prepend(node);
    this.#showCount();
    return object;
  }

  /** Forget all of them: their session is lost. */
  clear() {
    this.#objects.clear();
    this.#list.replaceChildren();
    this.#showCount();
  }

  /** @param {any} proxy */
  #release(proxy) {
    proxy.$release();
    this.#objects.get(proxy)?.node.remove();
    this.#objects.delete(proxy);
    this.#showCount();
  }

  #showCount() {
    this.#hint.hidden = this.#objects.size > 0;
    this.#releaseAll.hidden = this.#objects.size === 0;
  }

  /** @param {any} proxy @param {HTMLElement} place */
  async #describe(proxy, place) {
    try {
      /** @type {import('./description.js').Description} */
      const description = await proxy.$describe();
      const { doc, methods } = description;
      place.replaceChildren(
        ...(doc ? [element('p', { class: 'doc' }, doc)] : []),
        ...methods.map((method) => methodPanel(method, description, () => proxy, this.#surroundings, 'h3')),
      );
    } catch (error) {
      place.replaceChildren(element('p', { class: 'complaint' }, String(error)));
    }
  }
}

/**
 * Show a value as JSON; objects stand in it as buttons that lead to them.
 * @param {unknown} value
 * @param {LiveObjects} objects
 * @returns {Node[]}
 */
export function valueNodes(value, objects, indent = '') {
  if (typeof value !== 'object' || value === null) {
    return [document.createTextNode(JSON.stringify(value) ?? 'null')];
  }
  if (typeof (/** @type {any} */ (value).$handle) === 'string') {
    const { node, label } = objects.add(value);
    const lead = () => {
      node.querySelector('details')?.setAttribute('open', '');
      node.scrollIntoView({ block: 'nearest' });
      node.focus();
    };
    return [element('button', { type: 'button', class: 'object', onclick: lead }, label)];
  }
  const isArray = Array.isArray(value);
  const [open, close] = isArray ? '[]' : '{}';
  const entries = Object.entries(value);
  if (entries.length === 0) {
    return [document.createTextNode(open + close)];
  }
  const inner = `${indent}  `;
  const nodes = entries.flatMap(([name, member], index) => [
    document.createTextNode(`${index ? ',' : open}\n${inner}${isArray ? '' : `${JSON.stringify(name)}: `}`),
    ...valueNodes(member, objects, inner),
  ]);
  return [...nodes, document.createTextNode(`\n${indent}${close}`)];
}
