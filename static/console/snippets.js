// @ts-check
/**
 * A call as a program makes it, in the languages that people paste it into. Secrets and credentials stand in it as
 * variables of the environment, and never as themselves. Knows no page.
 */
import { BASIC, KEY, variableName } from './credentials.js';
import { writeJson } from './json-text.js';
import { python } from './python-snippet.js';
import { MASK } from './secrets.js';

/** @typedef {import('./timeline.js').Entry} Entry */

/**
 * @typedef {object} Surroundings
 * @property {string} url of the gateway, without a slash at its end
 * @property {string} [session] its secret id, for calls of objects
 * @property {'' | 'Bearer' | 'Basic'} login how somebody is logged in
 */

export const LANGUAGES = /** @type {const} */ (['JavaScript', 'Python', 'curl', 'CLI', 'JSON-RPC']);

/** @typedef {(typeof LANGUAGES)[number]} Language */
/** @typedef {{name: string, isJson: boolean}} Variable */

/**
 * @param {Language} language
 * @param {Entry} entry of a call
 * @param {Surroundings} surroundings
 * @returns {string}
 */
export function snippet(language, entry, surroundings) {
  return WRITERS[language](new Call(entry, surroundings));
}

/** Why a call cannot be written in a language; '' if it can. @param {Language} language @param {Entry} entry */
export function obstacle(language, entry) {
  if (!hasCallback(entry.params) || language === 'JSON-RPC' || language === 'Python') {
    return '';
  }
  if (language !== 'JavaScript') {
    return 'a callback needs a connection that stays: use JavaScript or Python';
  }
  // The client has no way to an object that somebody else was given.
  return isOfObject(entry) || holdsHandle(entry.params) ? 'a callback for an object of this session: use Python' : '';
}

/** @param {any} value @returns {boolean} */
function hasCallback(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    (typeof value.$callback === 'string' || Object.values(value).some(hasCallback))
  );
}

/** @param {Entry} entry */
function isOfObject({ target }) {
  return target?.startsWith('@') ?? false;
}

/** A call, and what its writers in the languages ask of it. */
export class Call {
  url;
  session;
  login;
  entry;
  method;
  /** The variables of secrets, by the marks that stand for these; `isJson`: it has JSON, not a text. @type {Map<string, Variable>} */
  variables = new Map();
  params;

  /** @param {Entry} entry @param {Surroundings} surroundings */
  constructor(entry, { url, session, login }) {
    this.url = url;
    this.login = login;
    this.entry = entry;
    this.session = this.isOfObject || holdsHandle(entry.params) ? session : undefined;
    this.method = (entry.method ?? '').split('.').at(-1) ?? '';
    this.params = this.#marked(entry.params ?? {}, '', '$');
  }

  /** Whether it says more beside its parameters than how long it may take. */
  get isAnnotated() {
    return Object.keys(this.entry.meta ?? {}).length > 0;
  }

  get hasCallback() {
    return hasCallback(this.entry.params);
  }

  get isOfObject() {
    return isOfObject(this.entry);
  }

  /** Below the gateway's address. */
  get path() {
    const { target = '' } = this.entry;
    return this.isOfObject ? `/api/handles/${target.slice(1)}/${this.method}` : `/api/${target}/${this.method}`;
  }

  get timeout_s() {
    return this.entry.timeout_ms === undefined ? undefined : this.entry.timeout_ms / 1000;
  }

  /** As it goes over `/ws`, with marks in the place of secrets. */
  get message() {
    const { target = '', meta = {} } = this.entry;
    const said = { ...meta, ...(this.timeout_s === undefined ? {} : { timeout: this.timeout_s }) };
    return {
      jsonrpc: '2.0',
      id: 1,
      method: `${target}.${this.method}`,
      params: this.params,
      ...(Object.keys(said).length > 0 ? { meta: said } : {}),
    };
  }

  /** The parameters as JSON, with marks in the place of secrets. */
  get json() {
    return writeJson(this.params);
  }

  /**
   * The headers that say what the call said beside its parameters, without those that are secrets of their own.
   * @returns {[string, string][]}
   */
  get headers() {
    const { meta = {} } = this.entry;
    /** @type {Record<string, string>} */
    const names = {
      request_id: 'X-Request-Id',
      traceparent: 'Traceparent',
      tracestate: 'Tracestate',
      idempotency_key: 'Idempotency-Key',
    };
    /** @type {[string, string][]} */
    const headers = Object.entries(meta)
      .filter(([name]) => names[name])
      .map(([name, value]) => [names[name], value]);
    if (this.timeout_s !== undefined) {
      headers.push(['Request-Timeout', String(this.timeout_s)]);
    }
    if (this.session) {
      headers.push(['Session-Id', this.session]);
    }
    return headers;
  }

  /** @param {any} value @param {string} name @param {string} path @returns {any} */
  #marked(value, name, path) {
    if (value === MASK) {
      const taken = [...this.variables.values()].map((variable) => variable.name);
      const short = variableName(name || 'secret');
      // Private use: no text of a schema or a form has it but on purpose.
      const mark = `\ue000${this.variables.size}\ue001`;
      this.variables.set(mark, {
        name: taken.includes(short) ? variableName(path.slice(2)) : short,
        isJson: this.entry.untexted?.includes(path) ?? false,
      });
      return mark;
    }
    if (Array.isArray(value)) {
      return value.map((item, index) => this.#marked(item, name, `${path}[${index}]`));
    }
    return typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#marked(item, key, `${path}.${key}`)]))
      : value;
  }

  /**
   * Put what reads a variable in the place of each mark.
   * @param {string} text
   * @param {(name: string) => string} readText
   * @param {(name: string) => string} readJson in the place of the mark's quotes as well
   * @param {boolean} [quoted] `readText` stands in the place of its quotes as well
   */
  filled(text, readText, readJson, quoted = false) {
    let filled = text;
    for (const [mark, { name, isJson }] of this.variables) {
      filled = filled.replaceAll(isJson || quoted ? `"${mark}"` : mark, () => (isJson ? readJson : readText)(name));
    }
    return filled;
  }
}

/** @param {any} value @returns {boolean} */
function holdsHandle(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    (typeof value.$handle === 'string' || Object.values(value).some(holdsHandle))
  );
}

/** In single quotes for a shell. @param {string} text */
function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The parameters for a shell; a secret is read from its variable and written as JSON has it. @param {Call} call */
function shellParams(call) {
  // Backslashes and quotes of the secret would end the JSON text that it stands in.
  const read = (/** @type {string} */ variable) => `'"$(printf %s "$${variable}" | sed 's/[\\\\"]/\\\\&/g')"'`;
  return call.filled(shell(call.json), read, (variable) => `'"$${variable}"'`);
}

/** @param {Call} call */
function curl(call) {
  const words = [`curl -X POST ${shell(call.url + call.path)}`];
  if (call.login === 'Bearer') {
    words.push(`-H "Authorization: Bearer $${KEY}"`);
  } else if (call.login === 'Basic') {
    words.push(`-u "$${BASIC}"`);
  }
  words.push(...call.headers.map(([name, value]) => `-H ${shell(`${name}: ${value}`)}`));
  words.push(`-H 'Content-Type: application/json'`, `-d ${shellParams(call)}`);
  return words.join(' \\\n  ');
}

/** @param {Call} call */
function cli(call) {
  const { target = '' } = call.entry;
  const words = [
    `cara-gateway call ${shell(`${target}.${call.method}`)}`,
    shellParams(call),
    `--url ${shell(call.url)}`,
  ];
  if (call.session) {
    words.push(`--session ${shell(call.session)}`);
  }
  if (call.login === 'Basic') {
    words.push(`-H "Authorization: Basic $(printf %s "$${BASIC}" | base64 -w0)"`);
  }
  if (call.timeout_s !== undefined) {
    words.push(`--timeout ${call.timeout_s}`);
  }
  const told = call.headers.filter(([name]) => name !== 'Session-Id' && name !== 'Request-Timeout');
  words.push(...told.map(([name, value]) => `-H ${shell(`${name}: ${value}`)}`));
  // The key is read from the variable without being told so.
  return words.join(' \\\n  ');
}

/** @param {Call} call */
function javascript(call) {
  // The client proves who one is by a key or token, says nothing beside a call but its deadline, and has no way to an
  // object that somebody else was given.
  const isMoreThanTheClients = call.isOfObject || call.session || call.login === 'Basic' || call.isAnnotated;
  return isMoreThanTheClients && !call.hasCallback ? javascriptRequest(call) : javascriptClient(call);
}

/** @param {Call} call @param {string} text */
function readingVariables(call, text) {
  const read = (/** @type {string} */ variable) => `(globalThis.process?.env.${variable} ?? prompt('${variable}'))`;
  return call.filled(text, read, (variable) => `JSON.parse${read(variable)}`, true);
}

/** @param {Call} call */
function javascriptClient(call) {
  const { service = '' } = call.entry;
  const options = call.entry.timeout_ms === undefined ? '' : `, { timeout: ${call.entry.timeout_ms} }`;
  const params = callbacksAsFunctions(readingVariables(call, writeJson(call.params, 2)));
  const token = call.login === 'Bearer' ? `, {\n  token: globalThis.process?.env.${KEY} ?? prompt('${KEY}'),\n}` : '';
  return [
    `const { connect } = await import(${JSON.stringify(`${call.url}/client/index.js`)});`,
    `const gateway = await connect(${JSON.stringify(call.url)}${token});`,
    `const answer = await gateway.service(${JSON.stringify(service)}).$call(${JSON.stringify(call.method)}, ${params}${options});`,
    'console.log(answer);',
  ].join('\n');
}

/** @param {string} text */
function callbacksAsFunctions(text) {
  return text.replaceAll(/\{\s*"\$callback":\s*"[^"]*"\s*\}/g, '(...args) => console.log(args)');
}

/** @param {Call} call */
function javascriptRequest(call) {
  const headers = call.headers.map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)},`);
  if (call.login === 'Bearer') {
    headers.push(`    Authorization: \`Bearer \${globalThis.process?.env.${KEY} ?? prompt('${KEY}')}\`,`);
  } else if (call.login === 'Basic') {
    headers.push(`    Authorization: \`Basic \${btoa(globalThis.process?.env.${BASIC} ?? prompt('${BASIC}'))}\`,`);
  }
  return [
    `const response = await fetch(${JSON.stringify(call.url + call.path)}, {`,
    `  method: 'POST',`,
    '  headers: {',
    `    'Content-Type': 'application/json',`,
    ...headers,
    '  },',
    `  body: JSON.stringify(${readingVariables(call, writeJson(call.params))}),`,
    '});',
    'console.log(await response.json());',
  ].join('\n');
}

/** @param {Call} call */
function jsonrpc(call) {
  const read = (/** @type {string} */ variable) => `$${variable}`;
  return call.filled(writeJson(call.message), read, read);
}

/** @type {Record<Language, (call: Call) => string>} */
const WRITERS = { JavaScript: javascript, Python: python, curl, CLI: cli, 'JSON-RPC': jsonrpc };
