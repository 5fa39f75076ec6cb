// @ts-check
/** The page of the gateway: shows the services, calls their methods, keeps what they return. */
import { connect } from './client/index.js';
import { sampleParams } from './console/description.js';
import { element } from './console/elements.js';
import { loginForm } from './console/login.js';
import { methodPanel } from './console/methods.js';
import { LiveObjects, valueNodes } from './console/objects.js';

/** @typedef {import('./console/description.js').Description} Description */
/** @typedef {import('./client/index.js').Gateway} Gateway */

// The gateway may serve its paths, and this file beside them, below a prefix.
const ROOT = new URL('.', import.meta.url).pathname;
// Older calls are of no use and a busy service makes many.
const LOG_LENGTH = 200;

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

const main = byId('call');
/** @type {import('./console/methods.js').Surroundings} */
const surroundings = {
  objects: () => objects.all,
  log: logCall,
  show: (value) => valueNodes(value, objects),
};
const objects = new LiveObjects(byId('objects'), byId('no-objects'), byId('release-all'), surroundings);
/** @type {Map<string, Description>} */
const services = new Map();
/** Forms that were made, so that what was typed is still there on the way back. @type {Map<string, HTMLElement>} */
const panels = new Map();
/** @type {Gateway | undefined} */
let gateway;
// Only that there is a login: the browser keeps the cookie, which no script can read.
const LOGGED_IN = `cara gateway at ${ROOT}: logged in`;

/** The gateway has to know who asks. */
class NotLoggedIn extends Error {}

/** @param {string} path @param {RequestInit} [how] */
async function fetchJson(path, how) {
  const response = await fetch(ROOT + path, { ...how, headers: { Accept: 'application/json', ...how?.headers } });
  const body = response.status === 204 ? undefined : await response.json();
  if (!response.ok) {
    const detail = body.detail ?? `${path}: ${response.status}`;
    throw response.status === 401 ? new NotLoggedIn(detail) : new Error(detail);
  }
  return body;
}

/** @param {string} [reason] why somebody is no longer logged in */
function showLogin(reason) {
  const wasLoggedIn = localStorage.getItem(LOGGED_IN) !== null;
  localStorage.removeItem(LOGGED_IN);
  // What the next one may see is not what this one saw.
  services.clear();
  panels.clear();
  objects.clear();
  byId('log').replaceChildren();
  showLogButtons();
  showServices();
  showState('logged out');
  byId('logout').hidden = true;
  main.replaceChildren(loginForm(logIn, wasLoggedIn ? reason : ''));
}

/** @param {string} authorization */
async function logIn(authorization) {
  await fetchJson('api/session', { method: 'POST', headers: { Authorization: authorization } });
  localStorage.setItem(LOGGED_IN, 'yes');
  await enter();
}

async function logOut() {
  const leaving = gateway;
  gateway = undefined;
  leaving?.close();
  try {
    await fetchJson('api/session', { method: 'DELETE' });
  } catch (error) {
    // Somebody who is not logged in any more has left already.
    if (!(error instanceof NotLoggedIn)) {
      showLogin(`The login could not be ended: ${/** @type {Error} */ (error).message}`);
      return;
    }
  }
  showLogin();
}

async function openConnection() {
  showState('connecting');
  try {
    const opened = (gateway = await connect());
    opened.on('state', (state, { resumed, reason, error }) => {
      if (opened !== gateway) {
        return;
      }
      if (error?.code === 'unauthenticated') {
        showLogin(`The login has ended: ${reason ?? error.message}`);
        return;
      }
      showState(state, error?.message ?? reason);
      // While the connection is away its session is kept, and with it the objects.
      if (state === 'closed' || (state === 'open' && !resumed)) {
        objects.clear();
      }
    });
    showState('open');
  } catch (error) {
    showState('closed', /** @type {Error} */ (error).message);
  }
}

/** @param {string} state @param {string} [reason] */
function showState(state, reason) {
  const badge = byId('state');
  badge.textContent = state;
  badge.dataset.state = state;
  badge.title = reason ?? '';
  byId('reconnect').hidden = state !== 'closed';
}

/** @param {string} label @param {string} method @param {unknown[]} args */
function logCall(label, method, args) {
  const log = byId('log');
  const time = new Date();
  const nodes = args.flatMap((arg, index) => [index ? ', ' : '', ...valueNodes(arg, objects)]);
  log.prepend(
    element(
      'li',
      { class: 'card' },
      element('time', { datetime: time.toISOString() }, time.toLocaleTimeString()),
      ' ',
      element('strong', {}, `${label}.${method}`),
      element('pre', { tabindex: '0' }, ...nodes),
    ),
  );
  while (log.children.length > LOG_LENGTH) {
    log.lastElementChild?.remove();
  }
  showLogButtons();
}

function showLogButtons() {
  const isEmpty = byId('log').children.length === 0;
  byId('no-log').hidden = !isEmpty;
  byId('clear-log').hidden = isEmpty;
}

function showServices() {
  const lists = [...services].map(([name, { doc, methods }]) =>
    element(
      'section',
      {},
      element('h2', { title: doc }, name),
      element(
        'ul',
        {},
        ...methods.map((method) =>
          element('li', {}, element('a', { href: `#${name}.${method.name}`, title: method.doc }, method.name)),
        ),
      ),
    ),
  );
  byId('services').replaceChildren(...lists);
}

/** Show what the address names: a method, or the overview. */
function showPlace() {
  const place = decodeURIComponent(location.hash.slice(1));
  for (const link of byId('services').querySelectorAll('a')) {
    link.setAttribute('aria-current', link.hash === location.hash ? 'page' : 'false');
  }
  let panel = panels.get(place);
  if (!panel) {
    panel = makePanel(place);
    panels.set(place, panel);
  }
  main.replaceChildren(panel);
}

/** @param {string} place */
function makePanel(place) {
  const [service, name] = place.split('.', 2);
  const description = services.get(service);
  const method = description?.methods.find((candidate) => candidate.name === name);
  if (!description || !method) {
    return overview();
  }
  const callee = () => {
    if (!gateway) {
      throw new Error('there is no connection to the gateway');
    }
    return gateway.service(service);
  };
  const panel = methodPanel(method, description, callee, surroundings, 'h2');
  panel.prepend(element('p', { class: 'eyebrow' }, service));
  // Without a stream there is nobody whom a service could call back.
  if (!method.params.some(({ shape }) => shape.kind === 'interface')) {
    panel.querySelector('form')?.after(curlCommand(service, method, description));
  }
  return panel;
}

/**
 * The same call for a shell, with an example of the parameters.
 * @param {string} service
 * @param {import('./console/description.js').Method} method
 * @param {Description} description
 */
function curlCommand(service, method, description) {
  const params = sampleParams(method, description);
  const words = [
    `curl ${location.origin}${ROOT}api/${service}/${method.name}`,
    ...(byId('logout').hidden ? [] : ['-H "Authorization: Bearer $KEY"']),
    "-H 'Content-Type: application/json'",
    `-d '${JSON.stringify(params).replaceAll("'", "'\\''")}'`,
  ];
  const command = element('pre', { tabindex: '0' }, words.join(' \\\n  '));
  return element('details', { class: 'curl' }, element('summary', {}, 'The same with curl'), command);
}

function overview() {
  return element(
    'section',
    { class: 'overview' },
    element('h2', {}, 'Services'),
    element('p', {}, 'For other programs: ', element('a', { href: `${ROOT}openapi.json` }, 'OpenAPI document'), '.'),
    ...[...services].map(([name, description]) =>
      element(
        'article',
        {},
        element('h3', {}, name),
        description.doc && element('p', { class: 'doc' }, description.doc),
        element(
          'p',
          { class: 'quiet' },
          `${description.methods.length} methods · `,
          element('a', { href: `${ROOT}schema/${encodeURIComponent(name)}` }, 'schema'),
          ' · ',
          element('a', { href: `${ROOT}types/${encodeURIComponent(name)}.d.ts` }, 'TypeScript types'),
        ),
      ),
    ),
  );
}

async function start() {
  byId('reconnect').addEventListener('click', openConnection);
  byId('logout').addEventListener('click', logOut);
  byId('clear-log').addEventListener('click', () => {
    byId('log').replaceChildren();
    showLogButtons();
  });
  addEventListener('hashchange', () => {
    if (services.size > 0) {
      showPlace();
      main.focus();
    }
  });
  await enter();
}

/** Show what there is for whoever asks. */
async function enter() {
  try {
    const list = await fetchJson('api');
    const described = await Promise.all(
      list.services.map((/** @type {{name: string}} */ { name }) => fetchJson(`api/${encodeURIComponent(name)}`)),
    );
    list.services.forEach((/** @type {{name: string}} */ { name }, /** @type {number} */ index) =>
      services.set(name, described[index]),
    );
    byId('logout').hidden = localStorage.getItem(LOGGED_IN) === null;
    showServices();
    showPlace();
  } catch (error) {
    if (error instanceof NotLoggedIn) {
      showLogin(error.message);
      return;
    }
    main.replaceChildren(element('p', { class: 'complaint' }, `The services could not be listed: ${error}`));
  }
  await openConnection();
}

void start();
