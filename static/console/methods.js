// @ts-check
/** A method as a form: its parameters, its call, its answer. */
import { element } from './elements.js';
import { inputFor } from './inputs.js';

/** @typedef {import('./description.js').Method} Method */
/** @typedef {import('./description.js').Tables} Tables */

/** @typedef {import('./inputs.js').Surroundings & {show: (value: unknown) => Node[]}} Surroundings */

/**
 * @param {Method} method
 * @param {Tables} tables
 * @param {() => any} callee the proxy of the service or object; throws while there is no connection
 * @param {Surroundings} surroundings
 * @param {'h2' | 'h3'} heading
 * @returns {HTMLElement}
 */
export function methodPanel(method, tables, callee, surroundings, heading) {
  const inputs = method.params.map((field) => ({ field, input: inputFor(field, tables, surroundings) }));
  const answer = element('div', { class: 'answer', 'aria-live': 'polite' });
  const call = element('button', { type: 'submit' }, 'Call');
  const cancel = element('button', { type: 'button', class: 'quiet', hidden: true }, 'Cancel');
  /** @type {AbortController | undefined} */
  let running;
  cancel.addEventListener('click', () => running?.abort());

  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    const params = readAll(inputs);
    if (!params || running) {
      return;
    }
    running = new AbortController();
    call.disabled = true;
    cancel.hidden = false;
    const started = performance.now();
    try {
      const result = await callee().$call(method.name, params, { signal: running.signal });
      answer.replaceChildren(...resultNodes(method, result, performance.now() - started, surroundings));
    } catch (error) {
      answer.replaceChildren(...errorNodes(error));
      complainAt(inputs, error);
    } finally {
      running = undefined;
      call.disabled = false;
      cancel.hidden = true;
    }
  };
  return element(
    'section',
    { class: 'method' },
    element(heading, {}, method.name),
    element('p', { class: 'signature' }, element('code', {}, method.signature)),
    method.doc && element('p', { class: 'doc' }, method.doc),
    element(
      'form',
      { onsubmit: submit, novalidate: true },
      ...inputs.map(({ input }) => input.node),
      element('p', { class: 'buttons' }, call, cancel),
    ),
    answer,
  );
}

/** @typedef {{field: import('./description.js').Field, input: import('./inputs.js').Input}} NamedInput */

/**
 * The parameters by name, or undefined if one of them is no value; then it has the focus.
 * @param {NamedInput[]} inputs
 */
function readAll(inputs) {
  /** @type {Record<string, unknown>} */
  const params = {};
  /** @type {HTMLElement | undefined} */
  let wrong;
  for (const { field, input } of inputs) {
    try {
      params[field.name] = input.read();
    } catch {
      wrong ??= input.node;
    }
  }
  /** @type {HTMLElement | null | undefined} */ (wrong?.querySelector('input, textarea'))?.focus();
  return wrong ? undefined : params;
}

/** @param {Method} method @param {unknown} result @param {number} ms @param {Surroundings} surroundings */
function resultNodes(method, result, ms, surroundings) {
  const title = method.results.length === 1 && !method.results_struct ? `${method.results[0].name} ` : '';
  return [
    element('p', { class: 'outcome' }, `${title}after ${ms.toFixed(ms < 10 ? 1 : 0)} ms`),
    method.results.length === 0
      ? element('p', {}, 'done')
      : element('pre', { tabindex: '0' }, ...surroundings.show(result)),
  ];
}

/** @param {any} error @returns {Node[]} */
function errorNodes(error) {
  const facts = [
    ['path', error.path],
    ['request', error.requestId],
  ].filter(([, value]) => value !== undefined);
  return [
    element('p', { class: 'outcome failed' }, error.code ?? error.name),
    element('p', {}, error.message),
    facts.length > 0 &&
      element('dl', {}, ...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])),
  ].filter((node) => node instanceof Node);
}

/**
 * Mark the parameter that the error's path leads to.
 * @param {NamedInput[]} inputs
 * @param {any} error
 */
function complainAt(inputs, error) {
  const name = /^\$\.([^.[]+)/.exec(error.path ?? '')?.[1];
  inputs.find(({ field }) => field.name === name)?.input.complain(error.message);
}
