// @ts-check
/** What services call on this page, and what they are answered: by a rule, or by somebody who is asked. */
import { GatewayError } from '../client/errors.js';
import { defaultRule } from './callbacks.js';
import { onlyResult } from './description.js';
import { byteLength, parseJson, writeJson } from './json-text.js';
import { callLabel, objectLabel } from './objects.js';
import { foundInArgs } from './references.js';
import { Redaction } from './secrets.js';

/** @typedef {import('./description.js').Method} Method */
/** @typedef {import('./description.js').Description} Description */
/** @typedef {import('./timeline.js').Entry} Entry */

export class Answers {
  #desk;
  #describe;
  #now;
  /** Requests for callbacks, by their ids. @type {Map<string, {entry: Entry, redaction?: Redaction}>} */
  #requests = new Map();
  /** Those that the wire has told of and the session has not. @type {{id: string, target: string}[]} */
  #arrived = [];
  /** What came, until it is known what is secret in it. @type {WeakMap<Entry, {text: string, message: any, method?: Method}>} */
  #texts = new WeakMap();

  /**
   * @param {import('./desk.js').Desk} desk
   * @param {(service: string) => Promise<Description>} describe
   * @param {() => number} now milliseconds since 1970
   */
  constructor(desk, describe, now) {
    this.#desk = desk;
    this.#describe = describe;
    this.#now = now;
  }

  /** What the wire tells of requests. @returns {Pick<import('./wire.js').WireEvents, 'request' | 'replied' | 'calledOff'>} */
  get wireEvents() {
    return {
      request: (id, text, message) => {
        const [, target] = /^!(.*)$/s.exec(message.method) ?? [];
        if (target !== undefined) {
          const name = target.split('.', 1)[0];
          const method = target.slice(name.length + 1);
          const entry = this.#desk.timeline.add({
            at: this.#now(),
            kind: 'callback',
            title: `${this.#desk.callbacks.get(name)?.label ?? name}.${method}`,
            status: 'waiting',
            service: this.#desk.callbacks.get(name)?.service,
            method,
            receivedBytes: byteLength(text),
          });
          this.#requests.set(id, { entry });
          this.#texts.set(entry, { text, message });
          this.#arrived.push({ id, target });
        }
      },
      replied: (id, text, message) => {
        const request = this.#requests.get(id);
        if (request) {
          this.#requests.delete(id);
          const { entry, redaction } = request;
          const method = this.#texts.get(entry)?.method;
          const result = redaction && method ? redaction.result(message.result, method) : message.result;
          const sent = result === message.result ? text : writeJson({ ...message, result });
          this.#desk.timeline.change(entry, {
            sent,
            sentBytes: byteLength(text),
            ms: this.#now() - entry.at,
            status: message.error ? (message.error.data?.code ?? 'unknown') : 'ok',
            message: message.error?.message,
            result,
          });
        }
      },
      calledOff: (id) => {
        const request = this.#requests.get(id);
        this.#desk.callbacks.settled(id);
        if (request) {
          this.#requests.delete(id);
          this.#desk.timeline.change(request.entry, {
            status: 'cancelled',
            message: 'the service waits for it no longer',
          });
        }
      },
    };
  }

  /** The session is lost, and with it whoever waited for an answer. */
  lose() {
    for (const { entry } of this.#requests.values()) {
      this.#desk.timeline.change(entry, { status: 'cancelled', message: 'the session was lost before the answer' });
    }
    this.#requests.clear();
    this.#arrived.length = 0;
  }

  /**
   * Answer a callback, as its rule says.
   * @param {string} name
   * @param {string} member
   * @param {unknown[]} _params as the session read them; here they come from the wire
   * @param {() => AbortSignal} signal
   * @returns {Promise<{result: unknown, callbacks: string[]}>}
   */
  async run(name, member, _params, signal) {
    const place = this.#arrived.findIndex(({ target }) => target === `${name}.${member}`);
    const [arrived] = place < 0 ? [] : this.#arrived.splice(place, 1);
    const request = arrived && this.#requests.get(arrived.id);
    const callback = this.#desk.callbacks.get(name);
    const given = signal();
    if (!callback || !request || !arrived) {
      throw new GatewayError('not_found', `this page has no callback ${name}`);
    }
    this.#desk.callbacks.called(callback);
    const description = await this.#describe(callback.service);
    const method = description.interfaces[callback.interfaceName]?.methods.find((one) => one.name === member);
    if (!method) {
      throw new GatewayError('unimplemented', `${callback.interfaceName} has no method ${member}`);
    }
    const { entry } = request;
    const args = this.#enterArgs(request, callback, method, description);
    const rule = callback.rules[member] ?? defaultRule(method);
    switch (rule.how) {
      case 'at once':
        return { result: null, callbacks: [] };
      case 'value':
        return { result: bareResult(parseJson(rule.text || '{}'), method), callbacks: [] };
      case 'fail':
        throw new GatewayError('aborted', rule.text || 'refused by a rule of the console');
    }
    return new Promise((resolve, reject) => {
      const { id } = arrived;
      given.addEventListener('abort', () => {
        this.#desk.callbacks.settled(id);
        reject(new GatewayError('cancelled', 'the service waits for it no longer'));
      });
      this.#desk.callbacks.wait({
        id,
        callback,
        method: member,
        args,
        until: this.#desk.waitsUntil(name, entry.at),
        answer: (result) => {
          this.#desk.callbacks.settled(id);
          resolve({ result: bareResult(result, method), callbacks: [] });
        },
        fail: (error) => {
          this.#desk.callbacks.settled(id);
          reject(error);
        },
      });
    });
  }

  /**
   * @param {{entry: Entry, redaction?: Redaction}} request
   * @param {import('./callbacks.js').Callback} callback
   * @param {Method} method
   * @param {Description} description
   * @returns {any[]} the arguments as one may see them
   */
  #enterArgs(request, callback, method, description) {
    const { entry } = request;
    const came = this.#texts.get(entry) ?? { text: '', message: {} };
    came.method = method;
    const raw = came.message.params ?? [];
    const redaction = (request.redaction = new Redaction(description));
    const args = redaction.args(raw, method);
    const named = Object.fromEntries(args.map((arg, index) => [method.params[index]?.name ?? `${index}`, arg]));
    const call = callLabel(method.name, named);
    this.#desk.objects.add(
      foundInArgs(raw, method, description).map(({ token, interfaceName, path }) => ({
        token,
        interfaceName,
        service: callback.service,
        label: objectLabel('', `${callback.label}.${call}`, path),
      })),
    );
    this.#desk.timeline.change(entry, {
      title: `${callback.label}.${call}`,
      params: method.params_struct ? args[0] : named,
      secrets: redaction.paths,
      received: redaction.paths.length > 0 ? writeJson({ ...came.message, params: args }) : came.text,
    });
    return args;
  }
}

/** @param {any} result by name @param {Method} method @returns {unknown} as it travels: bare if there is but one */
function bareResult(result, method) {
  const only = onlyResult(method);
  return only && result && typeof result === 'object' ? result[only.name] : result;
}
