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
import { GatewayError } from './errors.js';
import { Gateway } from './gateway.js';

export { GatewayError };

/**
 * Open a connection to a gateway.
 * @param {string | URL} [url] of the gateway, with its prefix if it has one, or of its `/ws`; without one: where this
 *   page came from
 * @param {import('./gateway.js').GatewayOptions & {WebSocket?: import('./transport.js').SocketClass, signal?: AbortSignal}} [options]
 * @returns {Promise<Gateway>}
 */
export async function connect(url, options = {}) {
  const { signal } = options;
  const aborted = () => new GatewayError('cancelled', 'connecting was aborted', { cause: signal?.reason });
  const WebSocket = options.WebSocket ?? globalThis.WebSocket ?? (await packageWebSocket());
  if (signal?.aborted) {
    throw aborted();
  }
  const gateway = new Gateway(socketAddress(url), WebSocket, options);
  await new Promise((resolve, reject) => {
    const abort = () => {
      reject(aborted());
      gateway.close();
    };
    const stop = gateway.on('state', (state, { error }) => {
      stop();
      signal?.removeEventListener('abort', abort);
      if (state === 'open') {
        resolve(undefined);
      } else {
        gateway.close();
        reject(error);
      }
    });
    signal?.addEventListener('abort', abort);
  });
  return gateway;
}

/** @param {string | URL} [url] */
function socketAddress(url) {
  // A worker that was made of a Blob has the address of who made it behind its own word.
  const page = globalThis.location?.href.replace(/^blob:/, '');
  if (url === undefined && page === undefined) {
    throw new TypeError('connect() needs the address of the gateway');
  }
  const address = new URL(url ?? gatewayOf(page), page);
  // The path of a socket is taken as it is, unless it can only be a folder's.
  if (address.protocol.startsWith('http') ? !address.pathname.endsWith('/ws') : address.pathname.endsWith('/')) {
    address.pathname = address.pathname.replace(/\/?$/, '/ws');
  }
  address.protocol = address.protocol.replace('http', 'ws');
  address.hash = '';
  return address.href;
}

/**
 * Where the page's gateway is. It may serve its paths below a prefix; this file lies at `client/index.js` below it too,
 * unless it was bundled or comes from elsewhere, such as from a linked package by way of vite's `/@fs/`.
 * @param {string} page
 */
function gatewayOf(page) {
  // `import.meta` says it as well, but bundlers warn of that wherever they do not make a module.
  const own = /https?:[^@\s]*\/(?=client\/index\.js:)/.exec(String(new Error().stack))?.[0];
  return own?.startsWith(new URL('/', page).href) ? own : '/';
}

/** For a node without a WebSocket of its own (before 22); browsers never load it. */
async function packageWebSocket() {
  // Not a literal: tools that read imports must not put it into what they make for browsers, nor complain.
  const name = './node-socket.js';
  const module = await import(/* webpackIgnore: true */ /* @vite-ignore */ name).catch(() => {});
  if (!module?.default) {
    throw new TypeError('pass a WebSocket as connect(url, { WebSocket })');
  }
  return module.default;
}
