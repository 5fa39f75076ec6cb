// Over a network that breaks all the time: every call runs once, every answer and every callback comes once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { connect } from '../../static/client/index.js';
import { startCounting } from './counting.js';
import { startBreakingProxy, startProxy } from './demo.js';
import { failure } from './fakes.js';

// Another gateway, such as one behind a proxy, whose service has not been called yet.
const OTHER_URL = process.env.CUTS_URL;
const CALLS = Number(process.env.CUTS_CALLS ?? 20_000);
const IN_FLIGHT = 64;
const CUTS = CALLS / 100;
// A connection lives for so many bytes of one of its directions, on average.
const BYTES_BETWEEN_CUTS = 12_000;

let counting;

before(async () => {
  counting = OTHER_URL ? { url: OTHER_URL, stop() {} } : await startCounting();
});

after(() => counting?.stop());

test(`${CALLS} calls over ${CUTS} cuts are executed and answered exactly once`, async () => {
  const proxy = await startBreakingProxy(counting.url, { seed: 1, averageBytes: BYTES_BETWEEN_CUTS });
  const gateway = await connect(proxy.url, { WebSocket: proxy.Socket, random: () => 0 });
  const resumed = [];
  gateway.on('state', (state, details) => state === 'open' && resumed.push(details.resumed));
  const service = gateway.service('counting');
  const heard = [];
  await service.listen({ added: (number) => void heard.push(number) });

  const answers = [];
  let next = 0;
  const worker = async () => {
    while (next < CALLS) {
      answers.push(await service.add(next++));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));

  const sum = (CALLS * (CALLS - 1)) / 2;
  // The last callbacks may still be on their way.
  let counted;
  do {
    counted = await service.sum();
  } while (counted.heard < CALLS);
  assert.deepEqual({ ...counted }, { calls: CALLS, sum: String(sum), heard: CALLS, objects: 1 });
  assert.equal(answers.length, CALLS);
  assert.equal(new Set(answers).size, CALLS);
  assert.equal(heard.length, CALLS);
  assert.equal(new Set(heard).size, CALLS);
  assert.equal(
    heard.reduce((total, number) => total + number, 0),
    sum,
  );
  assert.ok(proxy.cuts >= CUTS, `only ${proxy.cuts} cuts`);
  assert.ok(resumed.length > 0 && resumed.every(Boolean));
  gateway.close();
  proxy.stop();
});

// Nothing of it depends on what stands between.
const onlyOurOwn = OTHER_URL ? () => {} : test;
onlyOurOwn('when the window is over, every call has its error and no object is left at the service', async () => {
  const short = await startCounting({ resume_window_s: 1 });
  const proxy = await startProxy(short.url);
  const gateway = await connect(proxy.url, { WebSocket });
  const service = gateway.service('counting');
  const objects = await Promise.all(Array.from({ length: 10 }, () => service.object()));
  await service.listen({ added() {} });
  const running = failure(service.slow(60_000));
  await objects[0].name();
  proxy.stop();
  const lost = new Promise((resolve) => gateway.on('state', resolve));
  assert.equal(await lost, 'reconnecting');
  const waiting = failure(service.$call('sum', [], { timeout: 3_000 }));
  const needing = failure(objects[1].name());
  assert.equal((await running).code, 'outcome_unknown');
  assert.equal((await needing).code, 'unavailable');
  assert.equal((await waiting).code, 'deadline_exceeded');
  assert.equal((await failure(objects[0].name())).code, 'not_found');

  const other = await connect(short.url, { WebSocket });
  const watched = other.service('counting');
  while ((await watched.released()) < 10 || (await watched.cancelled()) < 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await watched.add(1);
  while ((await watched.sum()).objects > 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  gateway.close();
  other.close();
  await short.stop();
});
