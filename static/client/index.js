// @ts-check
/**
 * Client of a cara gateway for browsers and node: services, returned objects and callbacks as plain JavaScript.
 *
 *     import { connect } from '/client/index.js';
 *     const gateway = await connect();
 *     await gateway.service('calculator').add(2, 5); // 7
 *
 * Types and the words for each member: index.d.ts.
 */
import { Gateway } from './gateway.js';

export { GatewayError } from './errors.js';

/**
 * Open a connection to a gateway.
 * @param {string | URL} [url] of the gateway, with its prefix if it has one, or of its `/ws`; without one: where this
 *   page came from
 * @param {import('./gateway.js').GatewayOptions & {WebSocket?: import('./transport.js').SocketClass}} [options]
 * @returns {Promise<Gateway>}
 */
export async function connect(url, options = {}) {
  const WebSocket = options.WebSocket ?? globalThis.WebSocket ?? (await packageWebSocket());
  const gateway = new Gateway(socketAddress(url), WebSocket, options);
  await new Promise((resolve, reject) => {
    const stop = gateway.on('state', (state, { error }) => {
      stop();
      if (state === 'open') {
        resolve(undefined);
      } else {
        gateway.close();
        reject(error);
      }
    });
  });
  return gateway;
}

/** @param {string | URL} [url] */
function socketAddress(url) {
  const page = globalThis.location?.href;
  if (url === undefined && page === undefined) {
    throw new TypeError('connect() needs the address of the gateway, such as http://127.0.0.1:8080');
  }
  const address = new URL(url ?? gatewayOf(page), page);
  // The path of a socket is taken as it is, unless it can only be a folder's.
  if (address.pathname.endsWith('/') || (/^http/.test(address.protocol) && !address.pathname.endsWith('/ws'))) {
    address.pathname = address.pathname.replace(/\/?$/, '/ws');
  }
  address.protocol = address.protocol.replace(/^http/, 'ws');
  address.hash = '';
  return address.href;
}

/**
 * Where the page's gateway is. It may serve its paths below a prefix; this file lies at `client/index.js` below it too,
 * unless it was bundled or comes from elsewhere.
 * @param {string} page
 */
function gatewayOf(page) {
  const own = new URL(import.meta.url ?? page);
  const isServed = own.pathname.endsWith('/client/index.js') && own.origin === new URL(page).origin;
  return new URL(isServed ? '..' : '/', isServed ? own : page);
}

/** The `ws` package, for a node without a WebSocket of its own (before 22). */
async function packageWebSocket() {
  // Not literals: browsers have no such modules, and tools that read imports must not look for them.
  const [name, resolver] = ['ws', 'node:module'];
  try {
    return (await import(name)).default;
  } catch {
    // Not beside this file; perhaps beside the program that runs.
  }
  try {
    const { createRequire } = await import(resolver);
    return createRequire(/** @type {any} */ (globalThis).process.argv[1])(name);
  } catch {
    throw new TypeError(
      'this platform has no WebSocket: install the ws package or pass one as connect(url, { WebSocket })',
    );
  }
}
