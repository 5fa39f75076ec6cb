// @ts-check
/** The keys that the page knows, and the list of them. */
import { element } from './elements.js';

/** @type {[string, string][]} */
const KEYS = [
  ['/', 'search services, methods, types, objects and comments'],
  ['Ctrl Enter', 'call the method that is shown'],
  ['Shift Enter', 'begin a new line in a field for text'],
  ['g', 'to the services'],
  ['f', 'to the form'],
  ['t', 'to the timeline'],
  ['?', 'this list'],
  ['Escape', 'close this list, or leave the search'],
];

export function keysDialog() {
  const close = element('button', { type: 'button' }, 'Close');
  const dialog = element(
    'dialog',
    { 'aria-label': 'Keys' },
    element('h2', {}, 'Keys'),
    element(
      'dl',
      { class: 'keys' },
      ...KEYS.flatMap(([keys, words]) => [
        element('dt', {}, ...keys.split(' ').map((key) => element('kbd', {}, key))),
        element('dd', {}, words),
      ]),
    ),
    close,
  );
  close.addEventListener('click', () => dialog.close());
  return dialog;
}

/**
 * @param {object} actions
 * @param {() => void} actions.search
 * @param {() => void} actions.call
 * @param {() => void} actions.keys
 * @param {(what: 'services' | 'form' | 'timeline') => void} actions.lead
 */
export function listenForKeys({ search, call, keys, lead }) {
  addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      call();
      return;
    }
    const target = /** @type {HTMLElement | null} */ (event.target);
    // What is a letter to somebody who types is no command.
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      target?.closest('input, textarea, select, [contenteditable], dialog')
    ) {
      return;
    }
    const command = {
      '/': search,
      '?': keys,
      g: () => lead('services'),
      f: () => lead('form'),
      t: () => lead('timeline'),
    }[event.key];
    if (command) {
      event.preventDefault();
      command();
    }
  });
}
