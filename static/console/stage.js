// @ts-check
/** What the address names, on the page: a method's form, a service, or all; and what was typed in each form. */
import { CallState } from './call-state.js';
import { placeOf } from './desk.js';
import { paramsShape } from './description.js';
import { fits } from './drafts.js';
import { formatPlace, parsePlace } from './places.js';
import { CallForm } from './views/call-form.js';
import { element } from './views/elements.js';
import { missing, overview, serviceView } from './views/overview.js';

/** @typedef {import('./description.js').Description} Description */
/** @typedef {import('./description.js').Method} Method */
/** @typedef {import('./desk.js').Callee} Callee */
/** @typedef {import('./objects.js').LiveObject} LiveObject */

const WRITE_MS = 300;
const DRAFTS = 'drafts';

/**
 * @typedef {object} Surroundings
 * @property {string} root where the gateway's paths begin
 * @property {import('./desk.js').Desk} desk
 * @property {import('./services.js').Services} services
 * @property {import('./storage.js').TabStore} tab
 * @property {import('./views/schema-pane.js').SchemaPane} schemaPane
 * @property {import('./views/navigation.js').Navigation} navigation
 * @property {(order: import('./desk.js').Order) => import('./desk.js').Running} makeCall
 * @property {(interfaceName: string) => LiveObject[]} objectsFor
 * @property {(token: string) => Node | undefined} chip
 * @property {(text: string) => Promise<boolean>} copy
 * @property {(words: string) => void} announce
 */

export class Stage {
  #node;
  #away;
  #with;
  #service = '';
  /** @type {Map<string, CallState>} */
  #states = new Map();
  /** Of the page before, and of this one. @type {Record<string, import('./call-state.js').Stored>} */
  #stored;
  /** @type {CallForm | undefined} */
  #form;
  /** @type {any} */
  #writing;

  /** @param {HTMLElement} node @param {HTMLElement} away says that the service cannot be reached @param {Surroundings} surroundings */
  constructor(node, away, surroundings) {
    this.#node = node;
    this.#away = away;
    this.#with = surroundings;
    this.#stored = surroundings.tab.read(DRAFTS) ?? {};
  }

  /** Forget what was typed. */
  clear() {
    clearTimeout(this.#writing);
    this.#states.clear();
    this.#stored = {};
    this.#form = undefined;
    this.#service = '';
    this.showState();
    this.#with.tab.remove(DRAFTS);
  }

  submit() {
    this.#form?.submit();
  }

  /** Say of the service that is shown that it cannot be reached, which else one would learn by a call. */
  showState() {
    const isDown = this.#with.services.list.some(({ name, state }) => name === this.#service && state === 'down');
    this.#away.textContent = isDown ? `${this.#service} cannot be reached at present.` : '';
  }

  /** Show what the address names now. */
  async show() {
    const { desk, services, schemaPane, navigation, root } = this.#with;
    const place = parsePlace(location.hash);
    const object = place.object === undefined ? undefined : desk.objects.numbered(place.object);
    const service = object?.service ?? place.service ?? '';
    this.#form = undefined;
    this.#service = service;
    this.showState();
    navigation.mark(formatPlace({ ...place, params: undefined }));
    document.title = place.method ? `${place.method} · cara gateway` : 'cara gateway';
    if (!services.has(service)) {
      const isNowhere = location.hash.length > 1 && services.list.length > 0;
      this.#node.replaceChildren(isNowhere ? missing(location.hash) : overview(services.list, root));
      return;
    }
    const asked = location.hash;
    const description = await (object ? services.describeObject(object, desk.connection) : services.describe(service));
    if (location.hash !== asked) {
      // Somebody went on meanwhile.
      return;
    }
    const method = description.methods.find(({ name }) => name === place.method);
    schemaPane.show(service, description, method);
    if (method) {
      this.#showMethod({ service, object }, method, description, place);
    } else {
      this.#node.replaceChildren(place.method ? missing(location.hash) : serviceView(service, description, object));
    }
  }

  /** @param {Callee} callee @param {Method} method @param {Description} description @param {import('./places.js').Place} place */
  #showMethod(callee, method, description, place) {
    const { schemaPane, navigation, objectsFor, chip } = this.#with;
    const { service, object } = callee;
    const state = this.#stateOf(callee, method, description);
    if (place.params !== undefined) {
      state.fill(place.params);
      history.replaceState(null, '', formatPlace({ ...place, params: undefined }));
      navigation.mark(location.hash);
    }
    this.#form = new CallForm(state, {
      callee: [
        element('a', { href: formatPlace({ service }) }, service),
        ...(object
          ? [document.createTextNode(' › '), chip(object.token) ?? document.createTextNode(object.label)]
          : []),
      ],
      objects: objectsFor,
      typeLink: (type, text) => schemaPane.link(service, description, type, text),
      changed: () => {
        clearTimeout(this.#writing);
        this.#writing = setTimeout(() => this.write(), WRITE_MS);
      },
      share: () => void this.#share({ ...place, params: state.shared }),
      call: () => this.#call(callee, method, description, state),
    });
    this.#node.replaceChildren(this.#form.node);
  }

  /** @param {Callee} callee @param {Method} method @param {Description} description */
  #stateOf(callee, method, description) {
    const key = placeOf(callee, method.name);
    const known = this.#states.get(key);
    if (known?.tables === description) {
      return known;
    }
    const stored = known?.save() ?? this.#stored[key];
    const state = new CallState(method, description);
    // The schema may be another than the one for which it was typed.
    if (stored && fits(stored.draft, paramsShape(method), description)) {
      state.restore(stored);
    }
    this.#states.set(key, state);
    return state;
  }

  /** Put what was typed into the tab's storage. */
  write() {
    clearTimeout(this.#writing);
    for (const [key, state] of this.#states) {
      this.#stored[key] = state.save();
    }
    this.#with.tab.write(DRAFTS, this.#stored);
  }

  /** @param {import('./places.js').Place} place */
  async #share(place) {
    const { copy, announce } = this.#with;
    const address = new URL(formatPlace(place), location.href).href;
    const isCopied = await copy(address);
    announce(isCopied ? 'The link is copied' : 'The browser does not permit copying; the address has the link');
    history.replaceState(null, '', formatPlace(place));
  }

  /** @param {Callee} callee @param {Method} method @param {Description} description @param {CallState} state */
  #call(callee, method, description, state) {
    const { desk, makeCall } = this.#with;
    /** @type {import('./callbacks.js').Callback[]} */
    const callbacks = [];
    const params = state.params((draft, field, path) => {
      const facts = {
        label: `${method.name}${path.slice(1)}`,
        service: callee.service,
        interfaceName: field.shape.name ?? '',
        rules: draft.rules,
      };
      const callback = desk.callbacks.make(facts, draft.name);
      callbacks.push(callback);
      return callback.name;
    });
    const { timeout_ms, meta } = state;
    const { done } = makeCall({ callee, method, description, params, callbacks, timeout_ms, meta });
    void done.then((entry) => {
      if (this.#form?.state === state && entry.path !== undefined) {
        this.#form.refuse({ path: entry.path, message: entry.message ?? '' });
      }
    });
  }
}
