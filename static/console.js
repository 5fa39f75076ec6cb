// @ts-check
/** The page of the gateway. Puts the parts together: what is shown comes from the desk, what is done goes there. */
import { Desk } from './console/desk.js';
import { formatPlace } from './console/places.js';
import { Search, objectHits } from './console/search.js';
import { NotLoggedIn, Services } from './console/services.js';
import { snippet } from './console/snippets.js';
import { EntryStore, TabStore } from './console/storage.js';
import { Timeline } from './console/timeline.js';
import { Visit } from './console/visit.js';
import { Stage } from './console/stage.js';
import { Asks } from './console/views/asks.js';
import { element } from './console/views/elements.js';
import { keysDialog, listenForKeys } from './console/views/keys.js';
import { loginForm } from './console/views/login.js';
import { closeMenus, listenForMenus, openMenu } from './console/views/menus.js';
import { Navigation } from './console/views/navigation.js';
import { SchemaPane } from './console/views/schema-pane.js';
import { SearchBox } from './console/views/search-box.js';
import { TimelineView } from './console/views/timeline-view.js';

/** @typedef {import('./console/timeline.js').Entry} Entry */
/** @typedef {import('./console/desk.js').Running} Running */
/** @typedef {import('./console/objects.js').LiveObject} LiveObject */

// The gateway may serve its paths, and this file beside them, below a prefix.
const ROOT = new URL('.', import.meta.url).pathname;
const NAME = `cara gateway at ${ROOT}`;
// Only that there is a login, and of which kind: the browser keeps the cookie, which no script can read.
const LOGGED_IN = `${NAME}: logged in`;
const STATES_MS = 5_000;
// Who waits for a service looks more often.
const DOWN_STATES_MS = 1_000;

/** @param {string} id */
function byId(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

const tab = new TabStore(`${NAME}: `);
const prefix = `${crypto.getRandomValues(new Uint32Array(2)).reduce((text, part) => text + part.toString(36), '')}-`;
const services = new Services(ROOT);
const search = new Search();
/** @type {EntryStore | undefined} */
let store;
/** @type {TimelineView | undefined} */
let timelineView;
const timeline = new Timeline((what, entries) => {
  timelineView?.update(what, entries);
  if (what !== 'cleared' && entries.length < 100) {
    entries.forEach((entry) => store?.put(entry));
  }
});
const desk = new Desk({
  timeline,
  prefix,
  describe: (service) => services.describe(service),
  objectsChanged: () => navigation.changed(),
  callbacksChanged: () => {
    navigation.changed();
    asks.show(desk.callbacks.asks);
  },
});
const socketUrl = `${location.origin.replace('http', 'ws')}${ROOT}ws`;
const visit = new Visit(desk, tab, socketUrl, prefix, { state: changeState, loggedOut: showLogin });
const schemaPane = new SchemaPane(byId('schema'), ROOT);
/** @type {Navigation} */
const navigation = new Navigation(byId('services'), desk, {
  release: (object) => desk.release(object),
  releaseAll: (objects) => desk.releaseAll(objects),
  cast: async (object, interfaceName) => navigation.reveal(await desk.cast(object, interfaceName)),
  describe: (object) => services.describeObject(object, desk.connection),
  known: (service) => services.known(service),
});
const asks = new Asks(byId('asks'), {
  known: (service) => services.known(service),
  chip,
  objects: objectsFor,
  announce,
});
/** @type {SearchBox | undefined} */
let searchBox;
/** Calls that can still be cancelled. @type {Map<Entry, Running>} */
const running = new Map();
const stage = new Stage(byId('call'), byId('away'), {
  root: ROOT,
  desk,
  services,
  tab,
  schemaPane,
  navigation,
  makeCall,
  objectsFor,
  chip,
  copy,
  announce,
});
/** @type {any} */
let watching;

/** @param {string} words for those who do not see the page */
function announce(words) {
  byId('announcements').textContent = words.slice(0, 300);
}

/** @param {string} token @returns {Node | undefined} */
function chip(token) {
  const object = desk.objects.get(token);
  if (!object) {
    return undefined;
  }
  const lead = () => {
    const live = desk.objects.get(token);
    if (live) {
      openMenu('services', true);
      navigation.reveal(live);
    } else {
      announce(`${object.label} was released`);
      Object.assign(button, { disabled: true, title: 'it was released' });
    }
  };
  const facts = { type: 'button', class: 'chip', title: object.interfaceName, onclick: lead };
  const button = element('button', facts, element('bdi', {}, object.label));
  return button;
}

/** Objects for a field, those of its interface first. @param {string} interfaceName */
function objectsFor(interfaceName) {
  const all = desk.objects.list().slice(0, 200);
  const fit = all.filter((object) => object.interfaceName === interfaceName);
  return [...fit, ...all.filter((object) => object.interfaceName !== interfaceName)];
}

// The connection

/** @param {string} state @param {import('./client/session-events.js').StateDetails} details */
function changeState(state, { reason, error }) {
  const badge = byId('state');
  badge.textContent = state;
  badge.dataset.state = state;
  badge.title = error?.message ?? reason ?? '';
  byId('reconnect').hidden = state === 'open' || state === 'connecting';
  byId('cut').hidden = state !== 'open';
  if (state === 'open' || services.list.length === 0) {
    void loadServices();
  }
}

async function loadServices() {
  try {
    const { isNew, changed, rewritten } = await services.load();
    changed.forEach(({ name, state }) => desk.note(state, `${name} is ${state}`, name));
    rewritten.forEach(({ name }) => desk.note('schema', `${name} has another schema`, name));
    if (isNew) {
      navigation.show(services.list);
      byId('logout').hidden = localStorage.getItem(LOGGED_IN) === null;
      await stage.show();
      void fillSearch();
    } else {
      navigation.states(services.list);
    }
    stage.showState();
  } catch (error) {
    if (error instanceof NotLoggedIn) {
      showLogin(error.message);
    } else if (services.list.length === 0) {
      byId('call').replaceChildren(element('p', { class: 'complaint' }, `The services could not be listed: ${error}`));
    }
  }
  clearTimeout(watching);
  const isAllUp = services.list.every(({ state }) => state === 'up');
  const look = () => document.visibilityState === 'visible' && void loadServices();
  watching = setTimeout(look, isAllUp ? STATES_MS : DOWN_STATES_MS);
}

async function fillSearch() {
  search.clear();
  for (const { name } of services.list) {
    const description = await services.describe(name);
    // Each in a task of its own, so that the page answers between two large ones.
    await new Promise((resolve) => setTimeout(resolve));
    search.add(name, description);
    searchBox?.refresh();
  }
}

// Login

/** @param {string} [reason] why somebody is no longer logged in */
function showLogin(reason) {
  const wasLoggedIn = localStorage.getItem(LOGGED_IN) !== null;
  localStorage.removeItem(LOGGED_IN);
  clearTimeout(watching);
  visit.end();
  // What the next one may see is not what this one saw.
  services.clear();
  search.clear();
  stage.clear();
  desk.objects.clear();
  desk.callbacks.clear();
  timeline.clear();
  store?.clear();
  navigation.show([]);
  schemaPane.clear();
  byId('state').textContent = 'logged out';
  byId('state').dataset.state = 'logged out';
  for (const id of ['logout', 'reconnect', 'cut', 'timeline']) {
    byId(id).hidden = true;
  }
  byId('call').replaceChildren(loginForm(logIn, wasLoggedIn ? reason : ''));
}

/** @param {string} authorization */
async function logIn(authorization) {
  await services.fetch('api/session', { method: 'POST', headers: { Authorization: authorization } });
  localStorage.setItem(LOGGED_IN, authorization.split(' ', 1)[0]);
  byId('timeline').hidden = false;
  visit.begin();
}

async function logOut() {
  visit.end();
  try {
    await services.fetch('api/session', { method: 'DELETE' });
  } catch (error) {
    // Somebody who is not logged in any more has left already.
    if (!(error instanceof NotLoggedIn)) {
      showLogin(`The login could not be ended: ${/** @type {Error} */ (error).message}`);
      return;
    }
  }
  showLogin();
}

// Calls

/** @param {string} text */
async function copy(text) {
  // Only pages of this machine and of TLS have a clipboard, and only while they are looked at.
  return (
    navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    ) ?? false
  );
}

/** @param {import('./console/desk.js').Order} order */
function makeCall(order) {
  const made = desk.call(order);
  const { entry } = made;
  running.set(entry, made);
  timelineView?.open(entry);
  void made.done.then(() => {
    running.delete(entry);
    timelineView?.update('changed', [entry]);
    const words = entry.status === 'ok' ? `answered in ${Math.round(entry.ms ?? 0)} ms` : `failed: ${entry.message}`;
    announce(`${entry.title} ${words}`);
    if (entry.status === 'unavailable') {
      void loadServices();
    }
  });
  return made;
}

/** @param {Entry} entry */
function again(entry) {
  const order = desk.orderOf(entry);
  if (order) {
    desk.renewCallbacks(order);
    makeCall(order);
    return;
  }
  edit(entry);
  announce('The page was loaded anew since: look at the values and call');
}

/** @param {Entry} entry */
function edit({ place, params }) {
  const hash = `#${place}`;
  const values = formatPlace({ params });
  if (location.hash === hash) {
    history.replaceState(null, '', hash + values.slice(1));
    void stage.show();
  } else {
    location.hash = hash + values.slice(1);
  }
  byId('main').scrollIntoView({ block: 'start' });
}

// The page

/** @param {import('./console/search.js').Hit} found */
async function goTo({ place, service, type, kind }) {
  if (place && kind !== 'object') {
    location.hash = place;
  } else if (place) {
    const object = desk.objects.numbered(Number(place));
    object && navigation.reveal(object);
  } else if (type) {
    openMenu('schema', true);
    schemaPane.showType(service, await services.describe(service), type);
    /** @type {HTMLElement | null} */ (byId('schema').querySelector('h3'))?.focus();
  }
}

async function start() {
  timelineView = new TimelineView(
    timeline,
    {
      again,
      edit,
      cancel: (entry) => running.get(entry)?.cancel(),
      isRunning: (entry) => running.has(entry),
      snippet: (entry, language) =>
        snippet(language, entry, {
          url: location.origin + ROOT.replace(/\/$/, ''),
          session: desk.connection?.session,
          login: /** @type {'' | 'Bearer' | 'Basic'} */ (localStorage.getItem(LOGGED_IN) ?? ''),
        }),
      copy,
      chip,
    },
    () => {
      timeline.clear();
      store?.clear();
    },
  );
  byId('timeline').append(timelineView.node);
  const dialog = keysDialog();
  document.body.append(dialog);
  const input = /** @type {HTMLInputElement} */ (byId('search'));
  searchBox = new SearchBox(
    input,
    byId('hits'),
    (query) => search.find(query, objectHits(desk.objects.list())),
    (found) => void goTo(found),
  );
  listenForKeys({
    search: () => searchBox?.focus(),
    call: () => stage.submit(),
    keys: () => dialog.showModal(),
    lead: (what) => {
      const places = {
        services: '#services a',
        form: '#call .fields :is(input, textarea, select, button), #call .primary',
        timeline: '#timeline summary',
      };
      if (what === 'services') {
        openMenu('services', true);
      }
      /** @type {HTMLElement | null} */ (document.querySelector(places[what]))?.focus();
    },
  });
  byId('keys').addEventListener('click', () => dialog.showModal());
  byId('cut').addEventListener('click', () => desk.connection?.cut());
  byId('reconnect').addEventListener('click', () =>
    desk.connection && byId('state').dataset.state !== 'closed' ? desk.connection.hurry() : visit.begin(),
  );
  byId('logout').addEventListener('click', () => void logOut());
  listenForMenus();
  addEventListener('hashchange', () => {
    closeMenus();
    if (services.list.length > 0) {
      void stage.show().then(() => byId('main').focus({ preventScroll: true }));
    }
  });
  const look = () => document.visibilityState === 'visible' && services.list.length > 0 && void loadServices();
  document.addEventListener('visibilitychange', look);
  // Somebody comes from the editor in which they changed the schema.
  addEventListener('focus', look);
  addEventListener('pagehide', () => {
    stage.write();
    visit.leave();
    tab.write('entries', store?.waiting ?? []);
    store?.flush();
  });
  addEventListener('pageshow', (event) => event.persisted && visit.stay());
  const tabName = tab.read('tab') ?? crypto.randomUUID?.() ?? prefix;
  tab.write('tab', tabName);
  store = await EntryStore.open(NAME, tabName);
  /** @type {Map<number, Entry>} */
  const before = new Map((await store.load()).map((entry) => [entry.n, entry]));
  /** @type {Entry[]} */
  const unwritten = tab.take('entries') ?? [];
  unwritten.forEach((entry) => before.set(entry.n, entry));
  timeline.restore([...before.values()].sort((one, other) => one.n - other.n));
  unwritten.forEach((entry) => store?.put(entry));
  desk.inherit(timeline.entries);
  visit.begin();
}

void start();
