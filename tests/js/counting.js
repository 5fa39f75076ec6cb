// A gateway before the service that counts its calls.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

import { PYTHON, ROOT } from './demo.js';

const FOLDER = path.join(ROOT, 'tests/integration');

/**
 * Start both; resolved when calls work.
 * @param {Record<string, number>} [limits] of the gateway
 */
export async function startCounting(limits = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'counting-'));
  const children = [];
  const start = async (...args) => {
    const child = spawn(PYTHON, args, { cwd: ROOT, env: { ...process.env, PYTHONPATH: ROOT } });
    children.push(child);
    let errors = '';
    child.stderr.on('data', (data) => (errors += data));
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${args[0]} ended with ${code}:\n${errors}`);
    });
    const [line] = await Promise.race([once(readline.createInterface({ input: child.stdout }), 'line'), ended]);
    ended.catch(() => {});
    return line;
  };
  const stop = async () => {
    for (const child of children) {
      const ended = child.exitCode ?? once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    await rm(folder, { recursive: true });
  };
  try {
    const endpoint = await start(path.join(FOLDER, 'counting_service.py'), 'tcp://127.0.0.1:*', `${folder}/count`);
    const config = `${folder}/gateway.toml`;
    const lines = Object.entries(limits).map(([name, limit]) => `${name} = ${limit}`);
    await writeFile(
      config,
      `[gateway.limits]
${lines.join('\n')}
[services.counting]
schema = "${FOLDER}/counting.capnp"
interface = "Counting"
endpoint = "${endpoint}"
peer = "counting"
`,
    );
    const listening = await start('-m', 'gateway', 'serve', '--config', config, '--listen', '127.0.0.1:0');
    return { url: listening.replace('listening on ', ''), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
