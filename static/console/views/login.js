// @ts-check
/** Where somebody says who they are, for gateways that ask. Knows no address: who has the form tries what is typed. */
import { element, freshId } from './elements.js';

/**
 * @callback LogIn
 * @param {string} authorization the header of that name
 * @returns {Promise<void>} rejected with an Error that says what was wrong
 */

/**
 * Make the form.
 * @param {LogIn} logIn
 * @param {string} [reason] why it is shown, if somebody was logged in before
 */
export function loginForm(logIn, reason = '') {
  const complaint = element('p', { class: 'complaint', role: 'alert' }, reason);
  const key = field('Key or token', { type: 'password', autocomplete: 'off', required: true });
  const user = field('User', { autocomplete: 'username', required: true });
  const password = field('Password', { type: 'password', autocomplete: 'current-password', required: true });
  /** @param {() => string} authorization @param {...HTMLElement} nodes */
  const form = (authorization, ...nodes) => {
    const button = element('button', { type: 'submit' }, 'Log in');
    const onsubmit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      button.disabled = true;
      complaint.textContent = '';
      try {
        await logIn(authorization());
      } catch (error) {
        complaint.textContent = /** @type {Error} */ (error).message;
      }
      button.disabled = false;
    };
    return element('form', { onsubmit }, ...nodes, element('p', { class: 'buttons' }, button));
  };
  return element(
    'section',
    { class: 'login' },
    element('h2', {}, 'Log in'),
    element('p', { class: 'quiet' }, 'This gateway asks who calls: show a key or a token, or a user’s password.'),
    complaint,
    form(() => `Bearer ${key.input.value.trim()}`, key.node),
    form(() => `Basic ${base64(`${user.input.value}:${password.input.value}`)}`, user.node, password.node),
  );
}

/** @param {string} label @param {Record<string, unknown>} attributes */
function field(label, attributes) {
  const id = freshId();
  const input = element('input', { id, ...attributes });
  return { input, node: element('div', { class: 'field' }, element('label', { for: id }, label), input) };
}

/** The bytes of a text as UTF-8 (RFC 7617 section 2.1), which `btoa` alone would not make. @param {string} text */
function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
