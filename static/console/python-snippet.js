// @ts-check
/**
 * A call as a Python program makes it: a request, or with a callback over a connection that stays. It speaks JSON, since
 * that is what a form is filled with; Tornado, which has a WebSocket, comes with `cara_pseud`. Knows no page.
 */
import { BASIC, KEY } from './credentials.js';

/** @typedef {import('./snippets.js').Call} Call */

/** @param {Call} call @returns {string} */
export function python(call) {
  return call.hasCallback ? connection(call) : request(call);
}

/** @param {Call} call */
function request(call) {
  const headers = call.headers.map(([name, value]) => `        ${JSON.stringify(name)}: ${JSON.stringify(value)},`);
  return [
    ...imports(call, ['json', 'urllib.request']),
    '',
    'request = urllib.request.Request(',
    `    ${JSON.stringify(call.url + call.path)},`,
    `    data=json.dumps(${filled(call, call.params)}).encode(),`,
    '    headers={',
    '        "Content-Type": "application/json",',
    ...headers,
    ...authorization(call).map((line) => `        ${line},`),
    '    },',
    ')',
    'with urllib.request.urlopen(request) as answer:',
    '    print(json.load(answer))',
  ].join('\n');
}

/** @param {Call} call */
function connection(call) {
  const url = `${call.url.replace(/^http/, 'ws')}/ws`;
  const hello = {
    jsonrpc: '2.0',
    id: 0,
    method: 'rpc.hello',
    params: { protocol: 1, session: call.session },
  };
  // Only a stream that said hello is confirmed, and only in one can the objects of a session be passed.
  const confirming = [
    '            received += message.get("id") != 0',
    '            await say({"jsonrpc": "2.0", "method": "rpc.ack", "params": {"received": received}})',
  ];
  return [
    ...imports(call, ['asyncio', 'json']),
    '',
    'from tornado.httpclient import HTTPRequest',
    'from tornado.websocket import websocket_connect',
    '',
    'async def main():',
    `    request = HTTPRequest(${JSON.stringify(url)}, headers={${authorization(call).join(', ')}})`,
    '    socket = await websocket_connect(request)',
    '    say = lambda message: socket.write_message(json.dumps(message))',
    ...(call.session ? [`    await say(${pythonLiteral(hello)})`, '    received = 0'] : []),
    `    await say(${filled(call, call.message)})`,
    '    while (text := await socket.read_message()) is not None:',
    '        told = json.loads(text)',
    '        for message in told if isinstance(told, list) else [told]:',
    '            print(message)',
    ...(call.session ? confirming : []),
    '            if message.get("method", "").startswith("!"):',
    '                # The service waits for the results, by name; those that are left out have their defaults.',
    '                await say({"jsonrpc": "2.0", "id": message["id"], "result": {}})',
    '',
    'asyncio.run(main())',
  ].join('\n');
}

/** @param {Call} call @param {string[]} modules */
function imports(call, modules) {
  const more = [
    ...(call.login === 'Basic' ? ['base64'] : []),
    ...(call.variables.size > 0 || call.login !== '' ? ['os'] : []),
  ];
  return [...modules, ...more].sort().map((name) => `import ${name}`);
}

/** The header that says who calls, as a member of a dict. @param {Call} call @returns {string[]} */
function authorization({ login }) {
  if (login === 'Bearer') {
    return [`"Authorization": f"Bearer {os.environ['${KEY}']}"`];
  }
  return login === 'Basic'
    ? [`"Authorization": "Basic " + base64.b64encode(os.environ["${BASIC}"].encode()).decode()`]
    : [];
}

/** A value with what reads a variable in the place of each secret. @param {Call} call @param {any} value */
function filled(call, value) {
  const read = (/** @type {string} */ variable) => `os.environ["${variable}"]`;
  return call.filled(pythonLiteral(value), read, (variable) => `json.loads(${read(variable)})`, true);
}

/** @param {any} value @returns {string} */
function pythonLiteral(value) {
  if (value === null || typeof value === 'boolean') {
    return value === null ? 'None' : value ? 'True' : 'False';
  }
  if (Array.isArray(value)) {
    return `[${value.map(pythonLiteral).join(', ')}]`;
  }
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([name, inner]) => `${pythonText(name)}: ${pythonLiteral(inner)}`)
      .join(', ')}}`;
  }
  return typeof value === 'string' ? pythonText(value) : String(value);
}

/** JSON's escapes are Python's, but for what stands in two halves. @param {string} text */
function pythonText(text) {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}
