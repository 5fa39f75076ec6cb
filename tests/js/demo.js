// The real gateway with its example services, and a proxy before it that can cut connections.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

import WebSocket from 'ws';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const PYTHON = process.env.PYTHON ?? path.join(ROOT, '.venv/bin/python');

// More than hello takes, and a handshake of TLS before it.
const FIRST_BYTES = 6000;

/** Start `cara-gateway demo`; resolved when it answers. */
export async function startDemo() {
  const child = spawn(PYTHON, ['-m', 'gateway', 'demo', '--listen', '127.0.0.1:0'], { cwd: ROOT });
  let errors = '';
  child.stderr.on('data', (data) => (errors += data));
  const lines = readline.createInterface({ input: child.stdout });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the gateway ended with ${code} before it listened:\n${errors}`);
  });
  const [line] = await Promise.race([once(lines, 'line'), ended]);
  ended.catch(() => {});
  const url = /^listening on (http:\S+)$/.exec(line)?.[1];
  if (!url) {
    throw new Error(`the first line is ${JSON.stringify(line)}`);
  }
  const stop = async () => {
    child.kill('SIGTERM');
    await ended.catch(() => {});
  };
  return { url, stop };
}

/** A TCP proxy to the gateway. */
export async function startProxy(target) {
  const { hostname, port } = new URL(target);
  const sockets = new Set();
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(port), hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => sockets.forEach((socket) => socket.destroy());
  return {
    // The gateway takes the port of its address only as a part of it, so another one is the same host.
    url: `http://127.0.0.1:${server.address().port}`,
    cut,
    stop() {
      cut();
      server.close();
    },
  };
}

/**
 * A TCP proxy that cuts each connection after so many bytes in one direction, in the middle of whatever is sent. Its `Socket`
 * finds it under the target's own name, which a certificate may be of.
 * @param {string} target
 * @param {{seed: number, averageBytes: number}} options
 */
export async function startBreakingProxy(target, { seed, averageBytes }) {
  const address = new URL(target);
  const { port } = address;
  const hostname = '127.0.0.1';
  const lookup = (_name, options, found) =>
    options.all ? found(null, [{ address: hostname, family: 4 }]) : found(null, hostname, 4);
  class Socket extends WebSocket {
    constructor(url) {
      super(url, { lookup });
    }
  }
  const random = randomNumbers(seed);
  const sockets = new Set();
  let cuts = 0;
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(port), hostname);
    const ways = [
      [client, upstream],
      [upstream, client],
    ];
    const breaking = ways[random() < 0.5 ? 0 : 1][0];
    // The first one is let through hello: `connect` tells at once that it failed.
    let left = Math.floor(random() * 2 * averageBytes) + (sockets.size === 0 && cuts === 0 ? FIRST_BYTES : 0);
    for (const [from, to] of ways) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('data', (data) => {
        if (from !== breaking || data.length <= left) {
          left -= from === breaking ? data.length : 0;
          to.write(data);
          return;
        }
        // What was sent before the cut arrives, also half a frame.
        from.pause();
        cuts++;
        to.end(data.subarray(0, left), () => {
          client.destroy();
          upstream.destroy();
        });
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: Object.assign(address, { port: server.address().port }).href,
    Socket,
    get cuts() {
      return cuts;
    },
    stop() {
      sockets.forEach((socket) => socket.destroy());
      server.close();
    },
  };
}

/** Numbers from 0 to 1 that are the same in each run (Marsaglia's xorshift). */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
