// The gateway is killed and started anew while calls are made, and more calls are made at once than it takes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { connect } from '../../static/client/index.js';
import { startCounting } from './counting.js';

const CALLS = 2_700;

let counting;

before(async () => {
  counting = await startCounting({ max_calls_per_session: 100 });
});

after(() => counting?.stop());

const outcomes = (calls) => Promise.all(calls.map((call) => call.catch((error) => error.code)));

test('calls over what the gateway takes at once are all answered', async () => {
  const gateway = await connect(counting.url, { WebSocket });
  const service = gateway.service('counting');
  const before = (await service.sum()).calls;
  const answers = await outcomes(Array.from({ length: 3_000 }, () => service.add(1)));
  assert.deepEqual(
    answers.sort((a, b) => a - b),
    Array.from({ length: 3_000 }, (_, index) => before + index + 1),
  );
  gateway.close();
});

test('more bytes than the gateway keeps of one stream are all taken', async () => {
  const gateway = await connect(counting.url, { WebSocket });
  const service = gateway.service('counting');
  const text = 'x'.repeat(30_000);
  const answers = await outcomes(Array.from({ length: 300 }, (_, index) => service.anything(`${index} ${text}`)));
  assert.ok(answers.every((answer, index) => answer === `${index} ${text}`));
  gateway.close();
});

test('calls that were never sent are made after a restart, those under way are not made again', async () => {
  const gateway = await connect(counting.url, { WebSocket });
  const resets = [];
  gateway.on('reset', ({ sameSession }) => resets.push(sameSession));
  const service = gateway.service('counting');
  const before = (await service.sum()).calls;
  let ended = 0;
  const calls = Array.from({ length: CALLS }, () => service.add(1));
  calls.forEach((call) => call.catch(() => {}).then(() => ended++));
  await Promise.any(calls);
  await counting.restart();
  const answers = await outcomes(calls);
  const answered = answers.filter((answer) => typeof answer === 'number');
  const unknown = answers.filter((answer) => answer === 'outcome_unknown');
  assert.equal(answered.length + unknown.length, CALLS, JSON.stringify(new Set(answers.filter(isNaN))));
  assert.ok(unknown.length <= 100, `${unknown.length} have an unknown outcome`);
  // Nothing ran twice: each answer is of a run of its own, and there were no more runs than calls.
  assert.equal(new Set(answered).size, answered.length);
  const runs = (await service.sum()).calls - before;
  assert.ok(answered.length <= runs && runs <= CALLS, `${runs} runs, ${answered.length} answers`);
  assert.deepEqual(resets, [false]);
  gateway.close();
});
