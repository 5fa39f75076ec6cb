// @ts-check
/**
 * Where everything comes together that is no page: calls are made and entered in the timeline, objects kept, callbacks
 * answered. Knows a connection by what it does, and no element.
 */
import { GatewayError } from '../client/errors.js';
import { Answers } from './answers.js';
import { Callbacks } from './callbacks.js';
import { onlyResult } from './description.js';
import { byteLength, writeJson } from './json-text.js';
import { LiveObjects, callLabel, objectLabel } from './objects.js';
import { foundInResult } from './references.js';
import { MASK, Redaction } from './secrets.js';

/** @typedef {import('./description.js').Method} Method */
/** @typedef {import('./description.js').Description} Description */
/** @typedef {import('./timeline.js').Entry} Entry */
/** @typedef {import('./objects.js').LiveObject} LiveObject */

/** @typedef {{service: string, object?: LiveObject}} Callee a service, or an object of it */

/**
 * @typedef {object} Order a call that is to be made
 * @property {Callee} callee
 * @property {Method} method
 * @property {Description} description that the method stands in
 * @property {Record<string, unknown>} params JSON by name
 * @property {import('./callbacks.js').Callback[]} [callbacks] that are passed in the parameters
 * @property {number} [timeout_ms]
 * @property {Record<string, string>} [meta]
 */

/**
 * @typedef {object} Running a call under way
 * @property {Entry} entry
 * @property {() => void} cancel
 * @property {Promise<Entry>} done always fulfilled, with the entry
 */

export class Desk {
  objects;
  callbacks;
  answers;
  timeline;
  /** @type {import('./connection.js').Connection | undefined} */
  connection;
  #describe;
  #now;
  /** Calls that were made here, by the ids of their messages. @type {Map<string, {entry: Entry, redaction: Redaction}>} */
  #calls = new Map();
  /** Calls of the page before that may still be answered. @type {Map<string, Entry>} */
  #inherited = new Map();
  /** What was sent, for another time; kept in memory alone, as it may hold secrets. @type {WeakMap<Entry, Order>} */
  #orders = new WeakMap();

  /**
   * @param {object} parts
   * @param {import('./timeline.js').Timeline} parts.timeline
   * @param {(service: string) => Promise<Description>} parts.describe
   * @param {string} parts.prefix of names that no other page has
   * @param {() => void} parts.objectsChanged
   * @param {() => void} parts.callbacksChanged
   * @param {() => number} [parts.now] milliseconds since 1970
   */
  constructor({ timeline, describe, prefix, objectsChanged, callbacksChanged, now = Date.now }) {
    this.timeline = timeline;
    this.#describe = describe;
    this.#now = now;
    this.objects = new LiveObjects(objectsChanged);
    this.callbacks = new Callbacks(prefix, callbacksChanged);
    this.answers = new Answers(this, describe, now);
  }

  /** What was sent for an entry of this page, secrets and all. @param {Entry} entry */
  orderOf(entry) {
    return this.#orders.get(entry);
  }

  /**
   * When a service waits no longer for a callback: by its own bound, or because the call that passed it, if that is under
   * way, has come to its end. What a configuration says of a service's deadlines nobody tells a page.
   * @param {string} name
   * @param {number} at when it was called
   */
  waitsUntil(name, at) {
    const limits = this.connection?.limits ?? {};
    const { callback_timeout_s = 65, default_call_timeout_s = Infinity, max_call_timeout_s = Infinity } = limits;
    const ends = [at + callback_timeout_s * 1000];
    for (const { entry } of this.#calls.values()) {
      const { callbacks, timeout_ms, method } = this.#orders.get(entry) ?? {};
      if (callbacks?.some((callback) => callback.name === name)) {
        const said = timeout_ms === undefined ? method?.timeout_s : timeout_ms / 1000;
        ends.push(entry.at + Math.min(said ?? default_call_timeout_s, max_call_timeout_s) * 1000);
      }
    }
    return Math.min(...ends);
  }

  /** @param {Order} order @returns {Running} */
  call(order) {
    const { callee, method, description, params, callbacks = [], timeout_ms, meta = {} } = order;
    const connection = this.connection;
    const redaction = new Redaction(description);
    const shown = redaction.params(params, method);
    const target = callee.object ? `@${callee.object.token}` : callee.service;
    const started = performance.now();
    const entry = this.timeline.add({
      at: this.#now(),
      kind: 'call',
      title: `${callee.object ? callee.object.label : callee.service}.${callLabel(method.name, shown)}`,
      status: 'waiting',
      service: callee.service,
      method: callee.object ? `${callee.object.interfaceName ?? 'object'}.${method.name}` : method.name,
      place: placeOf(callee, method.name),
      target,
      params: shown,
      secrets: [...redaction.paths],
      untexted: [...redaction.untexted],
      meta,
      timeout_ms,
      resultName: onlyResult(method)?.name,
    });
    this.#orders.set(entry, order);
    const abort = new AbortController();
    const done = new Promise((/** @type {(entry: Entry) => void} */ resolve) => {
      const ended = (/** @type {Partial<Entry>} */ facts) => {
        this.timeline.change(entry, { ms: performance.now() - started, ...facts });
        this.#forget(entry);
        resolve(entry);
      };
      const reject = (/** @type {GatewayError} */ error) => ended(failure(error, redaction));
      if (!connection) {
        reject(new GatewayError('unavailable', 'there is no connection to the gateway'));
        return;
      }
      try {
        const options = {
          timeout: timeout_ms,
          signal: abort.signal,
          meta: Object.keys(meta).length > 0 ? meta : undefined,
          callbacks: callbacks.map(({ name }) => name),
          generation: callee.object && connection.generation,
        };
        const id = connection.call(`${target}.${method.name}`, params, options, {
          resolve: (/** @type {any} */ result) => {
            // As it was read at the wire, where long numbers kept their digits.
            const exact = this.#results.has(id) ? this.#results.get(id) : result;
            this.#results.delete(id);
            const label = callLabel(method.name, shown);
            this.objects.add(
              foundInResult(exact, method, description).map(({ token, interfaceName, path }) => ({
                token,
                interfaceName,
                service: callee.service,
                label: objectLabel(callee.object?.label ?? '', label, path),
              })),
            );
            ended({ status: 'ok', result: redaction.result(exact, method) });
          },
          reject,
        });
        this.#calls.set(id, { entry, redaction });
        this.timeline.change(entry, { wireId: id });
      } catch (error) {
        reject(/** @type {GatewayError} */ (error));
      }
    });
    return { entry, cancel: () => abort.abort(), done };
  }

  /** Results as they were read at the wire, until the session tells of them. @type {Map<string, any>} */
  #results = new Map();

  /** @param {Entry} entry */
  #forget(entry) {
    if (entry.wireId) {
      this.#calls.delete(entry.wireId);
      this.#results.delete(entry.wireId);
    }
  }

  /** Make the callbacks of a call anew that were let go since. @param {Order} order */
  renewCallbacks({ callbacks = [] }) {
    this.callbacks.restore(callbacks.filter(({ name }) => !this.callbacks.get(name)));
  }

  /**
   * Note that a call which carried a callback was answered.
   * @param {string} name
   * @param {boolean} accepted whether the gateway may hold it
   */
  callbackPassed(name, accepted) {
    if (!accepted && this.callbacks.get(name)?.calls === 0) {
      this.callbacks.remove(name);
    }
  }

  /** Give an object back. @param {LiveObject} object */
  release(object) {
    if (this.objects.remove(object.token)) {
      this.connection?.release(object.token, object.count);
      this.note('released', `released ${object.label}`, object.service);
    }
  }

  /** Give many back, with one entry for all. @param {LiveObject[]} objects */
  releaseAll(objects) {
    for (const { token, count } of objects) {
      this.objects.remove(token);
      this.connection?.release(token, count);
    }
    if (objects.length > 0) {
      this.note('released', `released ${objects.length} objects`);
    }
  }

  /**
   * Ask for an object as another interface.
   * @param {LiveObject} object
   * @param {string} interfaceName
   * @returns {Promise<LiveObject>}
   */
  async cast(object, interfaceName) {
    const told = await this.connection?.ask('rpc.cast', { handle: object.token, interface: interfaceName });
    const token = told.$handle;
    this.objects.add([
      { token, interfaceName: told.interface, service: object.service, label: `${object.label} as ${interfaceName}` },
    ]);
    return /** @type {LiveObject} */ (this.objects.get(token));
  }

  /**
   * Enter what became of the connection, or of an object.
   * @param {string} status
   * @param {string} title
   * @param {string} [service]
   */
  note(status, title, service) {
    this.timeline.add({ at: this.#now(), kind: 'event', title, status, service });
  }

  /** Go on with the calls of the page before. @param {Entry[]} entries */
  inherit(entries) {
    for (const entry of entries) {
      if (entry.kind === 'call' && entry.status === 'waiting' && entry.wireId) {
        this.#inherited.set(entry.wireId, entry);
      } else if (entry.status === 'waiting') {
        this.timeline.change(entry, { status: 'cancelled', message: 'the page was left before the answer' });
      }
    }
  }

  /** The stream is lost, and with it what the page before had called. */
  disinherit() {
    for (const entry of this.#inherited.values()) {
      this.timeline.change(entry, {
        status: 'outcome_unknown',
        message: 'the page was loaded anew, and the stream lost, before the answer came',
      });
    }
    this.#inherited.clear();
  }

  /** What the wire tells. @returns {import('./wire.js').WireEvents} */
  get wireEvents() {
    return {
      called: (id, text, message) => {
        const known = this.#calls.get(id);
        if (known) {
          const { entry } = known;
          const sent = entry.secrets?.length ? writeJson({ ...message, params: entry.params }) : text;
          const times = entry.sent === undefined ? undefined : (entry.times ?? 1) + 1;
          this.timeline.change(entry, { sent, sentBytes: byteLength(text), times });
        }
      },
      answer: (id, text, message) => this.#answered(id, text, message),
      ...this.answers.wireEvents,
    };
  }

  /** @param {string} id @param {string} text @param {any} message */
  #answered(id, text, message) {
    const known = this.#calls.get(id);
    const entry = known?.entry ?? this.#inherited.get(id);
    if (!entry) {
      return;
    }
    const order = this.#orders.get(entry);
    let received = text;
    if (known && order) {
      const { redaction } = known;
      if (message.error === undefined) {
        const result = redaction.result(message.result, order.method);
        received = result === message.result ? text : writeJson({ ...message, result });
        this.#results.set(id, message.result);
      } else {
        received = redaction.text(text);
      }
    }
    this.timeline.change(entry, { received, receivedBytes: byteLength(text) });
    if (!known) {
      this.#inherited.delete(id);
      void this.#settleInherited(entry, message);
    }
  }

  /** An answer to the page before. @param {Entry} entry @param {any} message */
  async #settleInherited(entry, message) {
    const { error } = message;
    const ms = this.#now() - entry.at;
    if (error) {
      this.timeline.change(entry, {
        status: error.data?.code ?? 'unknown',
        message: error.message,
        path: error.data?.path,
        ms,
      });
      return;
    }
    const description = await this.#describe(entry.service ?? '');
    const method = description.methods.find(({ name }) => name === entry.method);
    if (method) {
      const found = foundInResult(message.result, method, description);
      const label = callLabel(method.name, entry.params);
      this.objects.add(
        found.map(({ token, interfaceName, path }) => ({
          token,
          interfaceName,
          service: entry.service ?? '',
          label: objectLabel('', label, path),
        })),
      );
    }
    const redaction = new Redaction(description);
    const result = method ? redaction.result(message.result, method) : MASK;
    this.timeline.change(entry, { status: 'ok', result, received: writeJson({ ...message, result }), ms });
  }
}

/** @param {GatewayError} error @param {Redaction} redaction @returns {Partial<Entry>} */
function failure(error, redaction) {
  return {
    status: error.code ?? 'unknown',
    message: redaction.text(error.message),
    path: error.path,
    requestId: error.requestId,
  };
}

/**
 * Where the form of a call is.
 * @param {Callee} callee
 * @param {string} method
 */
export function placeOf({ service, object }, method) {
  return object ? `@${object.number}.${method}` : `${service}.${method}`;
}
