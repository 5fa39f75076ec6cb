// @ts-check
/** What the gateway serves, as its REST paths say: the list of services, their states, and their descriptions. */

/** @typedef {import('./description.js').Description} Description */
/** @typedef {import('./views/navigation.js').Service} Service */

/** The gateway has to know who asks. */
export class NotLoggedIn extends Error {}

export class Services {
  #root;
  /** @type {Map<string, Promise<Description>>} */
  #asked = new Map();
  /** @type {Map<string, Description>} */
  #known = new Map();
  /** What the gateway said of objects, by service and interface. @type {Map<string, Promise<Description>>} */
  #objects = new Map();
  /** @type {Service[]} */
  list = [];

  /** @param {string} root where the gateway's paths begin */
  constructor(root) {
    this.#root = root;
  }

  /**
   * @param {string} path
   * @param {RequestInit} [how]
   * @returns {Promise<any>}
   * @throws {NotLoggedIn}
   */
  async fetch(path, how) {
    const response = await fetch(this.#root + path, {
      ...how,
      headers: { Accept: 'application/json', ...how?.headers },
    });
    const body = response.status === 204 ? undefined : await response.json();
    if (!response.ok) {
      const detail = body.detail ?? `${path}: ${response.status}`;
      throw response.status === 401 ? new NotLoggedIn(detail) : new Error(detail);
    }
    return body;
  }

  /**
   * Ask which services there are now.
   * @returns {Promise<{isNew: boolean, changed: Service[], rewritten: Service[]}>} whether there are others than before,
   *   or other schemas; those that can be reached now and could not, or the other way round; those of another schema
   */
  async load() {
    const { services } = await this.fetch('api');
    const before = new Map(this.list.map((service) => [service.name, service]));
    /** @param {'state' | 'version'} what @returns {Service[]} */
    const others = (what) =>
      services.filter((/** @type {Service} */ one) => (before.get(one.name) ?? one)[what] !== one[what]);
    const [changed, rewritten] = [others('state'), others('version')];
    const isNew = signature(services) !== signature(this.list);
    this.list = services;
    if (isNew) {
      this.#forget();
    }
    return { isNew, changed, rewritten };
  }

  clear() {
    this.list = [];
    this.#forget();
  }

  #forget() {
    this.#asked.clear();
    this.#known.clear();
    this.#objects.clear();
  }

  /** @param {string} name */
  has(name) {
    return this.list.some((service) => service.name === name);
  }

  /** The description, if it was asked for and has come. @param {string} name */
  known(name) {
    return this.#known.get(name);
  }

  /** @param {string} name @returns {Promise<Description>} */
  describe(name) {
    let asked = this.#asked.get(name);
    if (!asked) {
      asked = this.fetch(`api/${encodeURIComponent(name)}`).then((description) => {
        this.#known.set(name, description);
        return description;
      });
      this.#asked.set(name, asked);
      asked.catch(() => this.#asked.delete(name));
    }
    return asked;
  }

  /**
   * What an object offers, as the gateway says of its handle.
   * @param {import('./objects.js').LiveObject} object
   * @param {import('./connection.js').Connection | undefined} connection
   * @returns {Promise<Description>}
   */
  describeObject({ service, interfaceName, token }, connection) {
    const key = `${service} ${interfaceName}`;
    const known = this.#objects.get(key);
    if (known) {
      return known;
    }
    if (!connection) {
      return Promise.reject(new Error('there is no connection to the gateway'));
    }
    // Of an object of which nobody said what it is there is nothing but what it may be cast to.
    const nothing = { structs: {}, enums: {}, interfaces: {} };
    const asked = connection
      .ask('rpc.describe', { handle: token })
      .then((described) => /** @type {Description} */ ({ ...nothing, ...described }));
    this.#objects.set(key, asked);
    asked.catch(() => this.#objects.delete(key));
    return asked;
  }
}

/** @param {Service[]} services */
function signature(services) {
  return JSON.stringify(services.map(({ name, methods, version }) => [name, methods, version]));
}
