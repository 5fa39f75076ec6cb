// @ts-check
/** A method: what it is, and a form to call it. */
import { BESIDE } from '../call-state.js';
import { docNode } from './docs.js';
import { element, freshId } from './elements.js';
import { memberFields } from './fields.js';

/** @typedef {import('../call-state.js').CallState} CallState */
/** @typedef {import('../description.js').Method} Method */

/**
 * @typedef {object} Surroundings
 * @property {Node[]} callee where the method belongs
 * @property {(state: CallState) => void} call
 * @property {() => void} changed something was typed
 * @property {() => void} share puts the address with its values into the clipboard
 * @property {(interfaceName: string) => import('../objects.js').LiveObject[]} objects
 * @property {(type: string, text: string) => Node} typeLink
 */

export class CallForm {
  node;
  #state;
  #surroundings;
  /** @type {Map<string, {node: HTMLElement, controls: HTMLElement[]}>} */
  #complaints = new Map();
  #fields = element('div', { class: 'fields' });
  #elsewhere = element('div', { class: 'complaint', role: 'alert' });
  /** What is wrong with the deadline, and its field. */
  #deadline = element('div', { class: 'complaint', id: freshId(), 'aria-live': 'polite' });
  #call = element('button', { type: 'submit', class: 'primary' }, 'Call');

  /** @param {CallState} state @param {Surroundings} surroundings */
  constructor(state, surroundings) {
    this.#state = state;
    this.#surroundings = surroundings;
    this.node = this.#frame();
    this.#show();
  }

  get state() {
    return this.#state;
  }

  /** Show the state anew: values came from elsewhere. */
  refresh() {
    this.#show();
  }

  /** @param {import('../reading.js').Problem | undefined} refusal what the gateway said is wrong, and where */
  refuse(refusal) {
    this.#state.refusal = refusal;
    this.#showProblems();
    if (refusal) {
      this.#nearest(refusal.path)?.node.scrollIntoView({ block: 'nearest' });
    }
  }

  submit() {
    /** @type {HTMLFormElement | null} */ (this.node.querySelector('form'))?.requestSubmit();
  }

  #frame() {
    const { method } = this.#state;
    const { callee, share, typeLink } = this.#surroundings;
    const onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#submit();
    };
    const reset = () => {
      this.#state.reset();
      this.#show();
      this.#surroundings.changed();
    };
    return element(
      'section',
      { class: 'method' },
      element('p', { class: 'eyebrow' }, ...callee),
      element('h2', {}, method.name),
      element('p', { class: 'signature' }, element('code', {}, ...linked(method.signature, this.#state, typeLink))),
      badges(method),
      docNode(method.doc),
      element(
        'form',
        { onsubmit, novalidate: true },
        this.#tabs(),
        this.#elsewhere,
        this.#fields,
        this.#beside(),
        element(
          'p',
          { class: 'buttons' },
          this.#call,
          element('button', { type: 'button', class: 'quiet', onclick: share }, 'Copy link'),
          element('button', { type: 'button', class: 'quiet', onclick: reset }, 'Reset'),
          element('span', { class: 'hint keys' }, element('kbd', {}, 'Ctrl'), ' ', element('kbd', {}, 'Enter')),
        ),
      ),
    );
  }

  #tabs() {
    if (this.#state.method.params.length === 0) {
      return element('p', { class: 'hint' }, 'It takes no parameters.');
    }
    const name = freshId();
    const radios = /** @type {const} */ (['form', 'json']).map((mode) => {
      const id = freshId();
      const radio = element('input', { type: 'radio', name, id, value: mode, checked: this.#state.mode === mode });
      radio.addEventListener('change', () => {
        this.#state.mode = mode;
        this.#show();
        this.#surroundings.changed();
      });
      return element(
        'span',
        { class: 'mode' },
        radio,
        element('label', { for: id }, mode === 'form' ? 'Form' : 'JSON'),
      );
    });
    return element('fieldset', { class: 'modes' }, element('legend', { class: 'sr' }, 'Parameters as'), ...radios);
  }

  #beside() {
    const state = this.#state;
    /** @param {string} label @param {string} value @param {(text: string) => void} take @param {string} hint */
    const field = (label, value, take, hint) => {
      const id = freshId();
      const input = element('input', {
        id,
        type: 'text',
        value,
        placeholder: hint,
        autocomplete: 'off',
        spellcheck: 'false',
      });
      input.addEventListener('input', () => {
        take(input.value.trim());
        this.#showProblems();
        this.#surroundings.changed();
      });
      return element('div', { class: 'field' }, element('label', { for: id }, label), input);
    };
    const deadline =
      state.method.timeout_s === undefined ? 'the gateway’s' : `${state.method.timeout_s}, by the schema`;
    const isUsed = state.timeout_s !== '' || Object.keys(state.meta).length > 0;
    const seconds = field('Deadline in seconds', state.timeout_s, (text) => (state.timeout_s = text), deadline);
    seconds.querySelector('input')?.setAttribute('aria-describedby', this.#deadline.id);
    seconds.append(this.#deadline);
    return element(
      'details',
      { class: 'beside', open: isUsed },
      element('summary', {}, 'Deadline and headers'),
      seconds,
      ...BESIDE.map(([key, label]) =>
        field(label, state.beside[key] ?? '', (text) => (state.beside = { ...state.beside, [key]: text }), 'none'),
      ),
    );
  }

  #show() {
    const state = this.#state;
    this.#complaints.clear();
    if (state.mode === 'json' && state.method.params.length > 0) {
      this.#fields.replaceChildren(this.#jsonField());
    } else {
      const { params_struct, params } = state.method;
      const shape = params_struct ?? { kind: 'group', fields: params, union: [] };
      const form = {
        tables: state.tables,
        complaints: this.#complaints,
        objects: this.#surroundings.objects,
        typeLink: this.#surroundings.typeLink,
        changed: () => {
          state.typed();
          this.#showProblems();
          this.#surroundings.changed();
        },
      };
      this.#fields.replaceChildren(...memberFields({ name: '', type: '', shape }, state.draft, '$', form, ''));
    }
    this.#showProblems();
  }

  #jsonField() {
    const state = this.#state;
    const id = freshId();
    const rows = Math.min(24, Math.max(4, state.text.split('\n').length + 1));
    const control = element('textarea', { id, rows, class: 'code', spellcheck: 'false', autocomplete: 'off' });
    const complaint = element('div', { class: 'complaint', id: freshId(), 'aria-live': 'polite' });
    control.setAttribute('aria-describedby', complaint.id);
    control.value = state.text;
    control.addEventListener('input', () => {
      state.typedJson(control.value);
      this.#showProblems();
      this.#surroundings.changed();
    });
    this.#complaints.set('$', { node: complaint, controls: [control] });
    return element('div', { class: 'field' }, element('label', { for: id }, 'Parameters'), control, complaint);
  }

  #showProblems() {
    const { problems, refusal, syntax, mode, deadlineProblem } = this.#state;
    this.#deadline.textContent = deadlineProblem;
    this.#deadline.parentElement?.querySelector('input')?.setAttribute('aria-invalid', String(deadlineProblem !== ''));
    for (const { node, controls } of this.#complaints.values()) {
      node.replaceChildren();
      controls.forEach((control) => control.removeAttribute('aria-invalid'));
    }
    this.#elsewhere.replaceChildren();
    const all = [...problems, ...(refusal ? [refusal] : []), ...(syntax ? [{ path: '', message: syntax }] : [])];
    for (const { path, message } of all.slice(0, 50)) {
      const place = this.#nearest(path);
      const isExact = place !== undefined && this.#complaints.get(path) === place;
      const words = isExact || path === '' ? message : `${path}: ${message}`;
      (place?.node ?? this.#elsewhere).append(element('p', {}, element('bdi', {}, words.slice(0, 1_000))));
      place?.controls.forEach((control) => control.setAttribute('aria-invalid', 'true'));
    }
    if (mode === 'form' && syntax) {
      this.#elsewhere.append(element('p', {}, 'The form shows what was last JSON.'));
    }
  }

  /** Where a problem is shown: at its field, or at what that stands in. @param {string} path */
  #nearest(path) {
    for (let place = path; place; place = place.replace(/(\.[^.[\]]*|\[\d+\])$|^[^.[]*$/, '')) {
      const found = this.#complaints.get(place);
      if (found) {
        return found;
      }
      if (!/[.[]/.test(place)) {
        break;
      }
    }
    return this.#complaints.get('$');
  }

  #submit() {
    const state = this.#state;
    if (!state.isWhole) {
      const wrong = /** @type {HTMLElement | null} */ (this.node.querySelector('[aria-invalid=true]'));
      wrong?.closest('details')?.setAttribute('open', '');
      wrong?.focus();
      return;
    }
    this.#surroundings.call(state);
  }
}

/** The words of a signature, with its types as links. @param {string} signature @param {CallState} state @param {(type: string, text: string) => Node} typeLink */
function linked(signature, { tables }, typeLink) {
  return signature.split(/([A-Za-z_][\w.]*)/).map((word) => {
    const isType = [tables.structs, tables.enums, tables.interfaces].some((table) => Object.hasOwn(table, word));
    return isType ? typeLink(word, word) : word;
  });
}

/** @param {Method} method */
function badges({ read_only, idempotent, requires, timeout_s, http, raw_body }) {
  const words = [
    read_only && 'read-only',
    idempotent && 'idempotent',
    timeout_s !== undefined && `deadline ${timeout_s} s`,
    requires && `needs ${requires.join(', ')}`,
    http && `${http.verb.toUpperCase()} ${http.path}`,
    raw_body && `body ${raw_body.type}`,
  ].filter(Boolean);
  return (
    words.length > 0 && element('p', { class: 'badges' }, ...words.map((word) => element('span', {}, String(word))))
  );
}
