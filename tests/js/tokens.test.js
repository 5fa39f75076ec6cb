// A gateway that asks who calls, and tokens that expire while calls are made, against the real client.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { connect } from '../../static/client/index.js';
import { startCounting } from './counting.js';

const SECRET = 'a secret that only the issuer and the gateway know';
// The shortest that expires after hello and not before.
const LIFE_S = 2;

let counting;

before(async () => {
  counting = await startCounting({}, SECRET);
});

after(() => counting?.stop());

function token(subject, life_s = LIFE_S) {
  const part = (obj) => Buffer.from(JSON.stringify(obj)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + life_s;
  const claims = { iss: 'https://id.example', aud: 'counting', sub: subject, exp };
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

const failure = (promise) =>
  promise.then(
    () => assert.fail('it did not fail'),
    (error) => error,
  );

test('tokens that expire cost no call, no object and no callback, and none runs twice', async () => {
  let asked = 0;
  const gateway = await connect(counting.url, {
    WebSocket,
    token: async () => {
      asked++;
      return token('alice');
    },
  });
  const states = [];
  const twice = new Promise((resolve) => {
    gateway.on('state', (state, { code, resumed }) => {
      states.push([state, code ?? resumed]);
      if (states.length === 4) {
        resolve();
      }
    });
  });
  const service = gateway.service('counting');
  const object = await service.object();
  const heard = [];
  await service.listen({ added: (number) => void heard.push(number) });
  let isOver = false;
  void twice.then(() => (isOver = true));
  const answers = [];
  while (!isOver) {
    answers.push(...(await Promise.all(Array.from({ length: 20 }, () => service.add(1)))));
  }
  assert.deepEqual(
    states,
    [1, 2].flatMap(() => [
      ['reconnecting', 4401],
      ['open', true],
    ]),
  );
  assert.equal(asked, 3);
  assert.deepEqual(
    [...answers].sort((a, b) => a - b),
    Array.from(answers, (_, index) => index + 1),
  );
  assert.equal((await service.sum()).calls, answers.length);
  assert.equal(heard.length, answers.length);
  assert.equal(await object.name(), 'object');
  gateway.close();
});

test('nothing goes on for somebody else', async () => {
  const alice = await connect(counting.url, { WebSocket, token: token('alice', 60) });
  const mallory = await connect(counting.url, {
    WebSocket,
    token: token('mallory', 60),
    resume: alice.resumption,
  });
  const { sameSession } = await new Promise((resolve) => mallory.on('reset', resolve));
  assert.equal(sameSession, false);
  assert.notEqual(mallory.session, alice.session);
  const { code } = await failure(connect(counting.url, { WebSocket, token: token('mallory'), session: alice.session }));
  assert.equal(code, 'not_found');
  assert.equal(alice.state, 'open');
  assert.equal(typeof (await alice.service('counting').add(1)), 'number');
  alice.close();
  mallory.close();
});

test('a token that is refused, missing or not renewed ends the connection and says why', async () => {
  for (const wrong of [undefined, 'forged', `${token('alice')}x`, token('alice', -10)]) {
    const error = await failure(connect(counting.url, { WebSocket, token: wrong }));
    assert.equal(error.code, 'unauthenticated');
    assert.notEqual(error.message, '');
  }
  for (const renewed of [undefined, () => 'forged']) {
    const tokens = [token('alice')];
    const gateway = await connect(counting.url, {
      WebSocket,
      token: renewed ? () => tokens.pop() ?? renewed() : tokens.pop(),
    });
    const error = await new Promise((resolve) => {
      gateway.on('state', (state, details) => state === 'closed' && resolve(details.error));
    });
    assert.equal(error.code, 'unauthenticated');
  }
});
