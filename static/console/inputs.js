// @ts-check
/**
 * Form fields for values by their types. A field reads itself: what is left empty is not sent and takes the schema's
 * default. The gateway checks the values; here only what is no value at all is refused.
 */
import { kindOf, sampleResult, sampleValue } from './description.js';
import { element, freshId } from './elements.js';

/** @typedef {import('./description.js').Field} Field */
/** @typedef {import('./description.js').Tables} Tables */
/** @typedef {import('./objects.js').LiveObject} LiveObject */

/**
 * @typedef {object} Surroundings what fields for interfaces offer
 * @property {() => LiveObject[]} objects
 * @property {(label: string, method: string, args: unknown[]) => void} log
 */

/**
 * @typedef {object} Input
 * @property {HTMLElement} node the labelled field
 * @property {() => unknown} read the value; undefined: leave it out. Throws an Error with what is wrong.
 * @property {(message: string) => void} complain shows what is wrong; '' takes it away
 */

/** @typedef {{control: HTMLElement, read: () => unknown, more?: HTMLElement}} Control */

/**
 * Make the field of a parameter.
 * @param {Field} field
 * @param {Tables} tables
 * @param {Surroundings} surroundings
 * @returns {Input}
 */
export function inputFor(field, tables, surroundings) {
  const { control, read, more } = controlFor(field, tables, surroundings);
  const complaint = element('span', { class: 'complaint', id: freshId() });
  control.id = freshId();
  control.setAttribute('aria-describedby', complaint.id);
  const node = element(
    'div',
    { class: 'field' },
    element('label', { for: control.id }, field.name, ' ', element('span', { class: 'type' }, field.type)),
    field.doc && element('p', { class: 'doc' }, field.doc),
    control,
    more,
    complaint,
  );
  /** @param {string} message */
  const complain = (message) => {
    complaint.textContent = message;
    control.setAttribute('aria-invalid', String(message !== ''));
  };
  return { node, complain, read: () => reading(read, complain) };
}

/** @param {() => unknown} read @param {(message: string) => void} complain */
function reading(read, complain) {
  try {
    const value = read();
    complain('');
    return value;
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/**
 * @param {Field} field
 * @param {Tables} tables
 * @param {Surroundings} surroundings
 * @returns {Control}
 */
function controlFor(field, tables, surroundings) {
  const { name = '', encoding } = field.shape;
  const { control, range } = kindOf(field.shape);
  switch (control) {
    case 'number':
      return textControl(field, { type: 'number', min: range?.[0], max: range?.[1], step: 1 }, readNumber);
    case 'wide':
      // As text: a number of the page would lose its last digits.
      return textControl(field, { inputmode: 'numeric' }, (text) => text.trim());
    case 'decimal':
      return textControl(field, { inputmode: 'decimal' }, readNumber);
    case 'text':
      return textControl(field, {}, (text) => text);
    case 'data':
      return textControl(field, { placeholder: encoding === 'hex' ? 'hex' : 'base64' }, (text) => text.trim());
    case 'flag':
      return flagControl(field);
    case 'nothing':
      return { control: element('output', {}, 'null'), read: () => null };
    case 'choice':
      return enumControl(field, tables.enums[name]);
    case 'object':
      return objectControl(field, tables, surroundings);
    case 'json':
      return jsonControl(field, tables);
  }
}

/** @param {string} text */
function readNumber(text) {
  // Not Number(): a large or odd text should be judged by the gateway, which says what the type permits.
  const number = Number(text);
  return String(number) === text.trim() ? number : text.trim();
}

/** @param {Field} field @param {Record<string, unknown>} attributes @param {(text: string) => unknown} read @returns {Control} */
function textControl(field, attributes, read) {
  const placeholder = attributes.placeholder ?? field.default;
  const control = element('input', {
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    ...attributes,
    placeholder,
  });
  return {
    control,
    read: () => {
      if (control.validity.badInput) {
        throw new Error('this is no number');
      }
      return control.value === '' ? undefined : read(control.value);
    },
  };
}

/** @param {Field} field @returns {Control} */
function flagControl(field) {
  const control = element('input', { type: 'checkbox', checked: field.default === true });
  return { control, read: () => control.checked };
}

/** @param {Field} field @param {import('./description.js').Enum | undefined} type @returns {Control} */
function enumControl(field, type) {
  const initial = `default: ${String(field.default)}`;
  const options = (type?.values ?? []).map(({ name, doc }) => element('option', { value: name, title: doc }, name));
  const control = element('select', {}, element('option', { value: '' }, initial), ...options);
  return { control, read: () => control.value || undefined };
}

/** @param {Field} field @param {Tables} tables @returns {Control} */
function jsonControl(field, tables) {
  const sample = JSON.stringify(sampleValue(field.shape, tables), null, 2);
  const rows = Math.min(8, Math.max(2, sample.split('\n').length));
  const control = element('textarea', { rows, spellcheck: 'false', placeholder: sample });
  const fill = element(
    'button',
    {
      type: 'button',
      class: 'small',
      onclick: () => {
        control.value = sample;
        control.focus();
      },
    },
    'Fill in the shape',
  );
  return {
    control,
    more: sample === '[]' || sample === 'null' ? undefined : fill,
    read: () => (control.value.trim() === '' ? undefined : JSON.parse(control.value)),
  };
}

/**
 * A parameter that is an object: the page itself as a callback that logs, or one of the live objects.
 * @param {Field} field
 * @param {Tables} tables
 * @param {Surroundings} surroundings
 * @returns {Control}
 */
function objectControl(field, tables, surroundings) {
  const name = field.shape.name ?? '';
  const methods = tables.interfaces[name]?.methods ?? [];
  const answers = new Map(methods.map((method) => [method.name, answerInput(method, tables)]));
  const control = element(
    'select',
    { onfocus: () => offerObjects() },
    element('option', { value: 'log' }, 'log the calls to the page'),
    element('option', { value: 'none' }, 'nothing'),
  );
  /** @type {LiveObject[]} */
  let offered = [];
  const offerObjects = () => {
    const chosen = control.value;
    offered = surroundings.objects().filter((object) => object.interfaceName === name);
    for (const option of [...control.options].slice(2)) {
      option.remove();
    }
    control.append(...offered.map(({ label }) => element('option', { value: label }, `the object ${label}`)));
    control.value = [...control.options].some(({ value }) => value === chosen) ? chosen : 'log';
  };
  const asked = [...answers.values()].filter(({ node }) => node !== undefined).map(({ node }) => node);
  return {
    control,
    more: asked.length > 0 ? element('div', { class: 'answers' }, ...asked) : undefined,
    read: () => {
      if (control.value === 'none') {
        return null;
      }
      const object = offered.find(({ label }) => label === control.value);
      return object ? object.proxy : loggingCallback(field, answers, surroundings);
    },
  };
}

/**
 * What a method of a callback answers.
 * @param {import('./description.js').Method} method
 * @param {Tables} tables
 */
function answerInput(method, tables) {
  if (method.results.length === 0) {
    return { node: undefined, read: () => null };
  }
  const id = freshId();
  const value = JSON.stringify(sampleResult(method, tables));
  const input = element('input', { id, type: 'text', value, spellcheck: 'false', autocomplete: 'off' });
  const node = element('div', {}, element('label', { for: id }, `${method.name} answers (JSON)`), input);
  return { node, read: () => (input.value.trim() === '' ? null : JSON.parse(input.value)) };
}

/**
 * @param {Field} field
 * @param {Map<string, {read: () => unknown}>} answers by method
 * @param {Surroundings} surroundings
 */
function loggingCallback(field, answers, surroundings) {
  /** @type {Record<string, Function>} */
  const callback = {};
  for (const [method, { read }] of answers) {
    read();
    callback[method] = (/** @type {unknown[]} */ ...args) => {
      surroundings.log(field.name, method, args);
      // Read at each call, so that the answer can be changed while the service has the callback.
      return read();
    };
  }
  return callback;
}
