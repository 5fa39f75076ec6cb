// Sessions of the browser client that call all the time while their gateway ends; started by tests/integration/test_drain.py.
// node draining.js URL SESSIONS: prints "ready", ends calling at a line from stdin, prints what came of it as JSON.
import { once } from 'node:events';
import readline from 'node:readline';

import WebSocket from 'ws';

import { connect } from '../../static/client/index.js';

const [url, sessions] = [process.argv[2], Number(process.argv[3])];
const report = {
  calls: 0,
  numbers: [],
  failures: {},
  handles: 0,
  handleFailures: {},
  resets: 0,
  released: {},
  heard: 0,
};
const count = (of, key) => (of[key] = (of[key] ?? 0) + 1);
let over = false;

async function run() {
  const gateway = await connect(url, { WebSocket, retry: true });
  gateway.on('reset', () => report.resets++);
  gateway.on('released', ({ handle, code }) => handle && count(report.released, code));
  const service = gateway.service('counting');
  let object = await service.object();
  while (!over) {
    const calls = [service.add(1), service.add(1), service.slow(20)];
    const ofHandle = object.name();
    // Each is looked at below, some after they failed.
    [...calls, ofHandle].forEach((call) => call.catch(() => {}));
    for (const call of calls) {
      try {
        const result = await call;
        report.calls++;
        typeof result === 'number' && report.numbers.push(result);
      } catch (error) {
        count(report.failures, `${error.code}: ${error.message}`);
      }
    }
    try {
      await ofHandle;
      report.handles++;
    } catch (error) {
      count(report.handleFailures, error.code);
      try {
        object = await service.object();
      } catch (failed) {
        count(report.failures, `${failed.code}: ${failed.message}`);
      }
    }
    // Halver is called while its call is under way.
    const { half } = await service
      .floats([8], 'text', { half: (number) => (report.heard++, number / 2) })
      .catch((error) => {
        count(report.failures, `${error.code}: ${error.message}`);
        return { half: 4 };
      });
    half === 4 || count(report.failures, `half ${half}`);
  }
  gateway.close();
}

const running = Array.from({ length: sessions }, run);
const input = readline.createInterface({ input: process.stdin });
await new Promise((resolve) => setTimeout(resolve, 1_500));
console.log('ready');
await once(input, 'line');
over = true;
await Promise.all(running);
console.log(JSON.stringify(report));
process.exit(0);
