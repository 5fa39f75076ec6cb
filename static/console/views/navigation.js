// @ts-check
/** What there is: services with their methods, the live objects of each, and the callbacks of this page. */
import { formatPlace } from '../places.js';
import { element } from './elements.js';
import { ruleField } from './object-field.js';
import { defaultRule } from '../callbacks.js';

/** @typedef {import('../description.js').Description} Description */
/** @typedef {import('../objects.js').LiveObject} LiveObject */

/**
 * @typedef {object} Service
 * @property {string} name
 * @property {string} doc
 * @property {string[]} methods
 * @property {string} version another one after each change of the schema
 * @property {string} state
 */

/**
 * @typedef {object} Actions
 * @property {(object: LiveObject) => void} release
 * @property {(objects: LiveObject[]) => void} releaseAll
 * @property {(object: LiveObject, interfaceName: string) => Promise<void>} cast rejected with why it is none
 * @property {(object: LiveObject) => Promise<Description>} describe
 * @property {(service: string) => Description | undefined} known
 */

// All methods at once stay readable up to here; beyond it those of the service that one is at are shown.
const MOST_METHODS = 80;
const MOST_OBJECTS = 25;

/** @type {import('../description.js').Tables} */
const NO_TYPES = { structs: {}, enums: {}, interfaces: {} };

export class Navigation {
  #node;
  #actions;
  #desk;
  #current = '';
  /** How many objects of a service are shown. @type {Map<string, number>} */
  #shown = new Map();
  /** Objects that are open, by number. @type {Set<number>} */
  #open = new Set();
  #scheduled = false;
  /** @type {Map<string, HTMLElement>} */
  #objectPlaces = new Map();
  #callbackPlace = element('section', { class: 'callbacks' });
  /** Objects whose methods are shown, so that they are not asked for at each change. @type {WeakMap<LiveObject, HTMLElement>} */
  #items = new WeakMap();
  /** @type {WeakMap<import('../callbacks.js').Callback, HTMLElement>} */
  #callbackItems = new WeakMap();

  /** @param {HTMLElement} node @param {import('../desk.js').Desk} desk @param {Actions} actions */
  constructor(node, desk, actions) {
    this.#node = node;
    this.#desk = desk;
    this.#actions = actions;
  }

  /** @param {Service[]} services */
  show(services) {
    const all = services.reduce((sum, { methods }) => sum + methods.length, 0);
    this.#objectPlaces.clear();
    const sections = services.map((service) => this.#section(service, all <= MOST_METHODS));
    this.#node.replaceChildren(...sections, this.#callbackPlace);
    this.#showObjects();
    this.#showCallbacks();
    this.mark(this.#current);
  }

  /** Note whether services can be reached. @param {Service[]} services */
  states(services) {
    for (const { name, state } of services) {
      const dot = this.#node.querySelector(`[data-service="${CSS.escape(name)}"] .dot`);
      if (dot) {
        dot.setAttribute('data-state', state);
        dot.setAttribute('title', state);
        dot.setAttribute('aria-label', `${name} is ${state}`);
      }
    }
  }

  /** Mark where one is. @param {string} hash of the address, without values */
  mark(hash) {
    this.#current = hash;
    for (const link of this.#node.querySelectorAll('a')) {
      const isHere = hash !== '' && link.getAttribute('href') === hash;
      link.setAttribute('aria-current', isHere ? 'page' : 'false');
      if (isHere) {
        link.closest('details.methods')?.setAttribute('open', '');
      }
    }
  }

  /** Open an object, and lead there. @param {LiveObject} object */
  reveal(object) {
    this.#open.add(object.number);
    const place = this.#desk.objects.list(object.service).indexOf(object);
    if (place >= (this.#shown.get(object.service) ?? MOST_OBJECTS)) {
      this.#shown.set(object.service, place + 1);
    }
    this.#showObjects();
    const item = this.#items.get(object);
    const details = item?.querySelector('details');
    if (details) {
      details.open = true;
      details.querySelector('summary')?.focus({ preventScroll: true });
    }
    item?.scrollIntoView({ block: 'nearest' });
  }

  /** Objects or callbacks came or went. */
  changed() {
    if (!this.#scheduled) {
      this.#scheduled = true;
      requestAnimationFrame(() => {
        this.#scheduled = false;
        this.#showObjects();
        this.#showCallbacks();
        this.mark(this.#current);
      });
    }
  }

  /** @param {Service} service @param {boolean} isOpen */
  #section({ name, doc, methods, state }, isOpen) {
    const objects = element('div', { class: 'objects' });
    this.#objectPlaces.set(name, objects);
    const list = element('ul', {});
    const fill = () => {
      if (list.children.length === 0) {
        list.append(
          ...methods.map((method) => element('li', {}, methodLink(formatPlace({ service: name, method }), method))),
        );
      }
    };
    const inner = element(
      'details',
      { class: 'methods', open: isOpen },
      element('summary', {}, `${methods.length} ${methods.length === 1 ? 'method' : 'methods'}`),
      list,
    );
    inner.addEventListener('toggle', () => {
      fill();
      this.mark(this.#current);
    });
    if (isOpen) {
      fill();
    }
    const dot = { class: 'dot', 'data-state': state, role: 'img', title: state, 'aria-label': `${name} is ${state}` };
    return element(
      'section',
      { 'data-service': name },
      element(
        'h2',
        {},
        element('span', dot),
        element('a', { href: formatPlace({ service: name }), title: doc.slice(0, 300) }, name),
      ),
      inner,
      objects,
    );
  }

  #showObjects() {
    for (const [name, place] of this.#objectPlaces) {
      const objects = this.#desk.objects.list(name);
      const most = this.#shown.get(name) ?? MOST_OBJECTS;
      const more = element('button', { type: 'button', class: 'small quiet' }, `${objects.length - most} more`);
      more.addEventListener('click', () => {
        this.#shown.set(name, most + 100);
        this.#showObjects();
      });
      const all = element('button', { type: 'button', class: 'small quiet' }, `Release all ${objects.length}`);
      all.addEventListener('click', () => this.#actions.releaseAll(this.#desk.objects.list(name)));
      keepFocus(place, [
        ...(objects.length > 0 ? [element('h3', {}, 'Live objects')] : []),
        ...(objects.length > 0
          ? [element('ul', {}, ...objects.slice(0, most).map((object) => this.#item(object)))]
          : []),
        ...(objects.length > most ? [more] : []),
        ...(objects.length > 1 ? [all] : []),
      ]);
    }
  }

  /** @param {LiveObject} object */
  #item(object) {
    const made = this.#items.get(object);
    if (made) {
      return made;
    }
    const { number, label, interfaceName } = object;
    const body = element('div', { class: 'body' });
    const release = element('button', { type: 'button', class: 'small quiet', 'aria-label': `Release ${label}` }, '×');
    release.addEventListener('click', () => this.#actions.release(object));
    const details = element(
      'details',
      { open: this.#open.has(number) },
      element('summary', {}, element('span', { class: 'chip' }, element('bdi', {}, label))),
      element('p', { class: 'hint' }, interfaceName ?? 'of an unknown interface'),
      body,
    );
    const fill = async () => {
      if (!details.open || body.children.length > 0) {
        return;
      }
      try {
        const { methods, casts } = await this.#actions.describe(object);
        const links = methods.map(({ name }) =>
          element('li', {}, methodLink(formatPlace({ object: number, method: name }), name)),
        );
        body.replaceChildren(element('ul', {}, ...links), this.#cast(object, casts));
        this.mark(this.#current);
      } catch (error) {
        body.replaceChildren(element('p', { class: 'complaint' }, /** @type {Error} */ (error).message));
      }
    };
    details.addEventListener('toggle', () => {
      details.open ? this.#open.add(number) : this.#open.delete(number);
      void fill();
    });
    const item = element('li', { class: 'object', 'data-object': number }, details, release);
    this.#items.set(object, item);
    void fill();
    return item;
  }

  /** @param {LiveObject} object @param {string[]} [casts] interfaces that it may be taken for */
  #cast(object, casts = []) {
    const names = casts.filter((name) => name !== object.interfaceName);
    if (names.length === 0) {
      return '';
    }
    const select = element(
      'select',
      { 'aria-label': `Use ${object.label} as` },
      element('option', { value: '' }, 'use as…'),
      ...names.map((name) => element('option', { value: name }, name)),
    );
    const complaint = element('p', { class: 'complaint', role: 'alert' });
    select.addEventListener('change', async () => {
      const name = select.value;
      select.value = '';
      complaint.textContent = '';
      try {
        if (name) {
          await this.#actions.cast(object, name);
        }
      } catch (error) {
        complaint.textContent = /** @type {Error} */ (error).message;
      }
    });
    return element('div', {}, select, complaint);
  }

  #showCallbacks() {
    const callbacks = this.#desk.callbacks.list;
    keepFocus(
      this.#callbackPlace,
      callbacks.length === 0
        ? []
        : [
            element('h3', {}, 'Callbacks of this page'),
            element('ul', {}, ...callbacks.slice(0, 100).map((one) => this.#callback(one))),
          ],
    );
  }

  /** @param {import('../callbacks.js').Callback} callback */
  #callback(callback) {
    let item = this.#callbackItems.get(callback);
    if (!item) {
      const tables = this.#actions.known(callback.service);
      const methods = tables?.interfaces[callback.interfaceName]?.methods ?? [];
      item = element(
        'li',
        {},
        element(
          'details',
          {},
          element('summary', {}, element('bdi', {}, callback.label), ' ', element('span', { class: 'hint calls' })),
          element('p', { class: 'hint' }, callback.interfaceName),
          ...methods.map((method) =>
            ruleField(method, tables ?? NO_TYPES, callback.rules[method.name] ?? defaultRule(method), (rule) => {
              callback.rules = { ...callback.rules, [method.name]: rule };
            }),
          ),
        ),
      );
      this.#callbackItems.set(callback, item);
    }
    const calls = item.querySelector('.calls');
    if (calls) {
      calls.textContent =
        callback.calls === 0
          ? 'not called yet'
          : callback.calls === 1
            ? 'called once'
            : `called ${callback.calls} times`;
    }
    return item;
  }
}

/** @param {string} href @param {string} name */
function methodLink(href, name) {
  return element('a', { href }, element('bdi', {}, name));
}

/** Replace what is in a place; an element that stays and has the focus keeps it. @param {HTMLElement} place @param {Node[]} nodes */
function keepFocus(place, nodes) {
  const focused = document.activeElement;
  place.replaceChildren(...nodes);
  if (focused instanceof HTMLElement && place.contains(focused) && document.activeElement !== focused) {
    focused.focus({ preventScroll: true });
  }
}
