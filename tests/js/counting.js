// A gateway before the service that counts its calls.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

import { PYTHON, ROOT } from './demo.js';

const FOLDER = path.join(ROOT, 'tests/integration');

const TOKENS = `[gateway.auth.jwt]
issuer = "https://id.example"
audience = "counting"
algorithms = ["HS256"]
secret_env = "TOKENS"
`;

/**
 * Start both; resolved when calls work. `restart` kills the gateway and starts another in its place.
 * @param {Record<string, number>} [limits] of the gateway
 * @param {string} [secret] of tokens that callers need
 */
export async function startCounting(limits = {}, secret = undefined) {
  const folder = await mkdtemp(path.join(tmpdir(), 'counting-'));
  const children = [];
  const start = async (...args) => {
    const child = spawn(PYTHON, args, { cwd: ROOT, env: { ...process.env, PYTHONPATH: ROOT, TOKENS: secret } });
    children.push(child);
    let errors = '';
    child.stderr.on('data', (data) => (errors += data));
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`${args[0]} ended with ${code}:\n${errors}`);
    });
    const [line] = await Promise.race([once(readline.createInterface({ input: child.stdout }), 'line'), ended]);
    ended.catch(() => {});
    return { line, child };
  };
  const kill = async (child) => {
    const ended = child.exitCode ?? child.signalCode ?? once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const stop = async () => {
    await Promise.all(children.map(kill));
    await rm(folder, { recursive: true });
  };
  try {
    const { line: endpoint } = await start(
      path.join(FOLDER, 'counting_service.py'),
      'tcp://127.0.0.1:*',
      `${folder}/count`,
    );
    const config = `${folder}/gateway.toml`;
    const lines = Object.entries(limits).map(([name, limit]) => `${name} = ${limit}`);
    await writeFile(
      config,
      `[gateway.limits]
${lines.join('\n')}
${secret ? TOKENS : ''}
[services.counting]
schema = "${FOLDER}/counting.capnp"
interface = "Counting"
endpoint = "${endpoint}"
peer = "counting"
`,
    );
    const serve = (address) => start('-m', 'gateway', 'serve', '--config', config, '--listen', address);
    let gateway = await serve('127.0.0.1:0');
    const url = gateway.line.replace('listening on ', '');
    const restart = async () => {
      await kill(gateway.child);
      gateway = await serve(new URL(url).host);
    };
    return { url, restart, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
