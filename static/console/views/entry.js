// @ts-check
/** One entry of the timeline: a line that opens, and what is behind it. */
import { floatWord, scalarText } from '../json-text.js';
import { duration, size } from '../latency.js';
import { LANGUAGES, obstacle } from '../snippets.js';
import { hasFailed } from '../timeline.js';
import { element } from './elements.js';
import { textView, valueView } from './values.js';

/** @typedef {import('../timeline.js').Entry} Entry */

/**
 * @typedef {object} Actions what can be done with an entry
 * @property {(entry: Entry) => void} again make the same call once more
 * @property {(entry: Entry) => void} edit put its values into the form
 * @property {(entry: Entry) => void} cancel
 * @property {(entry: Entry) => boolean} isRunning whether it can be cancelled from here
 * @property {(entry: Entry, language: import('../snippets.js').Language) => string} snippet
 * @property {(text: string) => Promise<boolean>} copy false: the browser does not permit it
 * @property {(token: string) => Node | undefined} chip
 */

const SIGNS = { call: '→', callback: '←', event: '·' };
const PREVIEW_CHARS = 80;

/** What an entry came to, as a word for people. @param {Entry} entry */
function outcome({ kind, status }) {
  return kind === 'event' ? status : status === 'ok' ? 'answered' : status === 'waiting' ? 'under way' : status;
}

/** @param {Entry} entry */
function preview({ status, message, result, kind }) {
  if (message !== undefined) {
    return message.slice(0, PREVIEW_CHARS);
  }
  if (kind === 'event' || status !== 'ok' || result === undefined) {
    return '';
  }
  const text = shortText(result, 3);
  return text.length > PREVIEW_CHARS ? `${text.slice(0, PREVIEW_CHARS - 1)}…` : text;
}

/** The beginning of a value, without making all of its text. @param {any} value @param {number} depth @returns {string} */
function shortText(value, depth) {
  if (typeof value !== 'object' || value === null) {
    return scalarText(typeof value === 'string' ? value.slice(0, PREVIEW_CHARS) : value);
  }
  if (Array.isArray(value)) {
    const some = depth > 1 ? value.slice(0, 6).map((item) => shortText(item, depth - 1)) : ['…'];
    return `[${some.join(', ')}${value.length > 6 ? `, … ${value.length}` : ''}]`;
  }
  if (typeof value.$handle === 'string') {
    return value.interface ?? 'object';
  }
  const word = floatWord(value);
  if (word) {
    return word;
  }
  const names = Object.keys(value);
  const some = depth > 1 ? names.slice(0, 6).map((name) => `${name}: ${shortText(value[name], depth - 1)}`) : ['…'];
  return names.length === 0 ? '{}' : `{${some.join(', ')}${names.length > 6 ? ', …' : ''}}`;
}

/** @param {Entry} entry @returns {Node[]} of the line */
export function lineNodes(entry) {
  const { kind, at, title, ms, sentBytes = 0, receivedBytes = 0, times } = entry;
  const time = new Date(at);
  const bytes = sentBytes + receivedBytes;
  const facts = [
    ms !== undefined && duration(ms),
    bytes > 0 && size(bytes),
    times !== undefined && `sent ${times} times`,
  ].filter(Boolean);
  return [
    element('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[kind]),
    element('code', { class: 'title' }, element('bdi', {}, title)),
    element('span', { class: 'preview' }, element('bdi', {}, preview(entry))),
    element('span', { class: `status ${hasFailed(entry) ? 'failed' : entry.status}` }, outcome(entry)),
    element('span', { class: 'facts' }, facts.join(' · ')),
    element('time', { datetime: time.toISOString() }, time.toLocaleTimeString([], { hour12: false })),
  ];
}

/** @param {Entry} entry @param {Actions} actions @returns {Node[]} of what is behind the line */
export function bodyNodes(entry, actions) {
  const { kind, status, message, path, requestId, sent, received, result, resultName, params, cut } = entry;
  /** @type {(Node | false | undefined)[]} */
  const nodes = [];
  if (message !== undefined) {
    const facts = [
      ['path', path],
      ['request', requestId],
    ].filter(([, value]) => value !== undefined);
    nodes.push(
      element(
        'div',
        { class: 'error' },
        element('p', {}, element('strong', {}, status), ' ', element('bdi', {}, message.slice(0, 2_000))),
        facts.length > 0 &&
          element(
            'dl',
            {},
            ...facts.flatMap(([name, value]) => [
              element('dt', {}, name),
              element('dd', {}, element('bdi', {}, value)),
            ]),
          ),
      ),
    );
  }
  if (kind === 'callback' && params !== undefined) {
    nodes.push(heading('Arguments'), valueView(params, actions.chip));
  }
  if (result !== undefined && status === 'ok') {
    const isEmpty =
      result === null || (typeof result === 'object' && Object.keys(result).length === 0 && !Array.isArray(result));
    nodes.push(
      heading(kind === 'callback' ? 'Our answer' : 'Answer', resultName),
      element(
        'div',
        { class: 'answer' },
        isEmpty ? element('p', { class: 'hint' }, 'done, without a result') : valueView(result, actions.chip),
      ),
    );
  }
  nodes.push(kind === 'call' && callButtons(entry, actions));
  if (cut) {
    nodes.push(element('p', { class: 'hint' }, 'What was sent was let go, to spare memory.'));
  }
  nodes.push(raw('Sent', sent), raw('Received', received));
  return /** @type {Node[]} */ (nodes.filter(Boolean));
}

/** @param {string} text @param {string} [name] */
function heading(text, name) {
  return element('h3', {}, text, name && ' ', name && element('code', {}, name));
}

/** @param {string} name @param {string | undefined} text */
function raw(name, text) {
  if (text === undefined) {
    return undefined;
  }
  const place = element('div');
  const details = element('details', { class: 'raw' }, element('summary', {}, name), place);
  details.addEventListener('toggle', () => place.replaceChildren(...(details.open ? [textView(text)] : [])));
  return details;
}

/** @param {Entry} entry @param {Actions} actions */
function callButtons(entry, actions) {
  const shown = element('div', { class: 'snippet', 'aria-live': 'polite' });
  /** @param {import('../snippets.js').Language} language */
  const show = async (language) => {
    const why = obstacle(language, entry);
    if (why) {
      shown.replaceChildren(element('p', { class: 'hint' }, `${language}: ${why}`));
      return;
    }
    const text = actions.snippet(entry, language);
    const told = element('p', { class: 'hint' }, language);
    shown.replaceChildren(told, element('pre', { tabindex: '0', class: 'text' }, text));
    told.textContent = (await actions.copy(text)) ? `${language}, copied` : `${language}, to be copied by hand`;
  };
  const isRunning = actions.isRunning(entry);
  return element(
    'div',
    {},
    element(
      'p',
      { class: 'buttons' },
      isRunning &&
        element('button', { type: 'button', class: 'small', onclick: () => actions.cancel(entry) }, 'Cancel'),
      element('button', { type: 'button', class: 'small', onclick: () => actions.again(entry) }, 'Again'),
      element('button', { type: 'button', class: 'small', onclick: () => actions.edit(entry) }, 'Edit'),
      element('span', { class: 'hint' }, 'Copy as'),
      ...LANGUAGES.map((language) =>
        element('button', { type: 'button', class: 'small quiet', onclick: () => void show(language) }, language),
      ),
    ),
    shown,
  );
}
