// @ts-check
/** The page of the gateway: shows the services, calls their methods, keeps what they return. */
import { connect } from './client/index.js';
import { sampleParams } from './console/description.js';
import { element } from './console/elements.js';
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

/** @param {string} path */
async function fetchJson(path) {
  const response = await fetch(ROOT + path, { headers: { Accept: 'application/json' } });
  const body = await response.json();
  if (!response.ok) {
    throw new Error(body.detail ?? `${path}: ${response.status}`);
  }
  return body;
}

async function openConnection() {
  showState('connecting');
  try {
    gateway = await connect();
    gateway.on('state', (state, { resumed, reason, error }) => {
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
  byId('clear-log').addEventListener('click', () => {
    byId('log').replaceChildren();
    showLogButtons();
  });
  const connecting = openConnection();
  try {
    const list = await fetchJson('api');
    const described = await Promise.all(
      list.services.map((/** @type {{name: string}} */ { name }) => fetchJson(`api/${encodeURIComponent(name)}`)),
    );
    list.services.forEach((/** @type {{name: string}} */ { name }, /** @type {number} */ index) =>
      services.set(name, described[index]),
    );
    showServices();
    addEventListener('hashchange', () => {
      showPlace();
      main.focus();
    });
    showPlace();
  } catch (error) {
    main.replaceChildren(element('p', { class: 'complaint' }, `The services could not be listed: ${error}`));
  }
  await connecting;
}

void start();
