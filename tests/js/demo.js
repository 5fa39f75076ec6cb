// The real gateway with its example services, and a proxy before it that can cut connections.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PYTHON = process.env.PYTHON ?? path.join(ROOT, '.venv/bin/python');

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
