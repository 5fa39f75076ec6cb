// What the loss and the end of a connection mean for what was under way.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HELLO_RESULT, failure, settle } from './fakes.js';
import { Stage } from './stage.js';

test('a frame that is no JSON ends the connection with 4000', () => {
  const stage = new Stage().connect();
  stage.session.received('{');
  assert.equal(stage.closed, 4000);
  assert.equal(stage.again, true);
});

test('a call of a lost connection is answered over the next', async () => {
  const stage = new Stage().connect();
  const sent = stage.call('a.sent');
  await settle();
  const unsent = stage.call('a.unsent');
  assert.equal(stage.session.disconnected(1006, ''), true);
  const later = stage.call('a.later');
  await settle();
  stage.resume({ received: 0 });
  assert.deepEqual(
    stage.written.map(({ id, method }) => [id, method]),
    [
      [1, 'a.sent'],
      [2, 'a.unsent'],
      [3, 'a.later'],
    ],
  );
  assert.equal(stage.frames.length, 1);
  stage.answers(1, 's');
  stage.answers(2, 'u');
  stage.answers(3, 'l');
  assert.deepEqual(await Promise.all([sent, unsent, later]), ['s', 'u', 'l']);
  assert.deepEqual(stage.states, ['open', 'reconnecting', 'open']);
  assert.equal(stage.losses, 0);
});

test('what the gateway confirmed is not kept', async () => {
  const stage = new Stage().connect();
  stage.call('a.first');
  stage.call('a.second');
  await settle();
  stage.says({ jsonrpc: '2.0', method: 'rpc.ack', params: { received: 1 } });
  stage.session.disconnected(1006, '');
  stage.resume({ received: 1 });
  assert.deepEqual(
    stage.written.map(({ method }) => method),
    ['a.second'],
  );
  assert.equal(stage.session.counts.sent, 2);
});

test('a gateway that confirms what was never sent harms nothing', async () => {
  const stage = new Stage().connect();
  stage.call('a.b');
  await settle();
  for (const params of [{ received: 99 }, { received: -1 }, { received: 'x' }, {}, null]) {
    stage.says({ jsonrpc: '2.0', method: 'rpc.ack', params });
  }
  assert.equal(stage.session.counts.sent, 1);
});

for (const received of [3, 0, -1, 1.5, '1', null, undefined]) {
  test(`a gateway that resumes after ${received} messages, of which it confirmed 1 of 2, has lost the stream`, async () => {
    const stage = new Stage().connect();
    const sent = [stage.call('a.first'), stage.call('a.second')].map(failure);
    await settle();
    stage.says({ jsonrpc: '2.0', method: 'rpc.ack', params: { received: 1 } });
    stage.session.disconnected(1006, '');
    stage.resume({ received });
    assert.deepEqual([stage.closed, stage.again, stage.losses], [4000, true, 1]);
    assert.equal((await sent[0]).code, 'outcome_unknown');
    assert.match((await sent[1]).message, /cannot have received/);
    stage.connect(null);
    assert.deepEqual(stage.written[0].params, { protocol: 1, unbox: true });
  });
}

test('counters begin anew on a new stream', async () => {
  const stage = new Stage().connect();
  stage.call('a.b');
  await settle();
  stage.answers(1, 1);
  stage.session.disconnected(4002, '');
  stage.connect();
  assert.deepEqual(stage.session.counts, { sent: 0, received: 0, acknowledged: 0 });
});

test('what belongs to a lost session is not written to the next', async () => {
  const stage = new Stage().connect();
  const { generation } = stage.session;
  let finish;
  stage.callback = () => new Promise((resolve) => (finish = resolve));
  stage.says({ jsonrpc: '2.0', id: 'g:1', method: '!c1.read', params: [] });
  const waiting = stage.call('@token.read', [], {}, { generation });
  stage.session.release('t', generation);
  stage.session.disconnected(4002, '');
  stage.connect();
  const stale = stage.call('@token.read', [], {}, { generation });
  stage.session.release('t', generation);
  finish({ result: 1, callbacks: ['c9'] });
  await settle();
  assert.deepEqual(stage.written, []);
  assert.equal((await failure(waiting)).code, 'unavailable');
  const error = await failure(stale);
  assert.equal(error.code, 'not_found');
  assert.match(error.message, /belonged to a session that was lost/);
  assert.deepEqual(stage.settled.at(-1), [['c9'], false]);
});

test('a call that finds no connection for 60 s is unavailable and never sent', async () => {
  const stage = new Stage().connect();
  stage.session.disconnected(4002, '');
  const call = stage.call('a.b');
  stage.clock.advance(60_000);
  assert.equal((await failure(call)).code, 'unavailable');
  stage.connect();
  await settle();
  assert.deepEqual(stage.frames, []);
});

test('when the window is over while hello is under way, its answer decides', async () => {
  const stage = new Stage().connect();
  const call = stage.call('a.b');
  await settle();
  stage.session.disconnected(1006, '');
  stage.clock.advance(59_999);
  stage.connect(null);
  stage.clock.advance(5_000);
  stage.says({ jsonrpc: '2.0', id: 0, result: { ...HELLO_RESULT, resumed: true, received: 1 } });
  stage.answers(1, 'late');
  assert.equal(await call, 'late');
});

test('when that hello is lost as well, so is the session', async () => {
  const stage = new Stage().connect();
  const call = stage.call('a.b');
  await settle();
  stage.session.disconnected(1006, '');
  stage.clock.advance(59_999);
  stage.connect(null);
  stage.clock.advance(5_000);
  stage.session.disconnected(1006, '');
  assert.equal((await failure(call)).code, 'outcome_unknown');
  assert.equal(stage.losses, 1);
});

test('a gateway that begins another stream has lost the first', async () => {
  const stage = new Stage().connect();
  const call = stage.call('a.b');
  await settle();
  stage.session.disconnected(1006, '');
  stage.connect();
  assert.equal((await failure(call)).code, 'outcome_unknown');
  assert.deepEqual(stage.states, ['open', 'reconnecting', 'open']);
});

for (const [code, status] of [
  [4401, 'unauthenticated'],
  [4403, 'permission_denied'],
]) {
  test(`after close code ${code} there is no other attempt`, async () => {
    const stage = new Stage().connect();
    const unsent = stage.call('a.b');
    assert.equal(stage.session.disconnected(code, 'reason'), false);
    assert.equal((await failure(unsent)).code, 'unavailable');
    assert.equal((await failure(stage.call('a.c'))).code, 'failed_precondition');
    assert.equal(stage.session.failure.code, status);
    assert.deepEqual(stage.states, ['open', 'closed']);
  });
}

test('a hello that is refused for good closes the session', () => {
  const stage = new Stage().connect(null);
  const data = { code: 'unimplemented', detail: 'protocols: 1' };
  stage.says({ jsonrpc: '2.0', id: 0, error: { code: -32012, message: 'protocols: 1', data } });
  assert.equal(stage.again, false);
  assert.equal(stage.session.failure.code, 'unimplemented');
  assert.deepEqual(stage.states, ['closed']);
});

test('a hello that is refused for now is tried again', () => {
  const stage = new Stage().connect(null);
  stage.says({ jsonrpc: '2.0', id: 0, error: { code: -32014, message: 'starting', data: { code: 'unavailable' } } });
  assert.equal(stage.again, true);
  stage.connect();
  assert.deepEqual(stage.states, ['open']);
});

test('a hello without an answer is given up after 10 s', () => {
  const stage = new Stage().connect(null);
  stage.clock.advance(10_000);
  assert.equal(stage.closed, 4000);
  assert.equal(stage.again, true);
});

test('close writes what waits, ends every call and leaves no timer', async () => {
  const stage = new Stage().connect();
  const sent = stage.call('a.b');
  await settle();
  stage.session.release('t', stage.session.generation);
  stage.session.close();
  assert.deepEqual(stage.written[1], { method: 'rpc.release', params: { handle: 't', count: 1 } });
  assert.equal(stage.closed, 1000);
  assert.equal((await failure(sent)).code, 'outcome_unknown');
  assert.deepEqual(stage.states, ['open', 'closed']);
  assert.equal(stage.clock.waiting, 0);
  stage.session.close();
  assert.deepEqual(stage.states, ['open', 'closed']);
});

test('calls that a gateway which ends has not taken are made in the next stream, once and in their order', async () => {
  const stage = new Stage().connect();
  const taken = stage.call('a.taken');
  await settle();
  const others = [stage.call('a.first'), stage.call('a.second'), stage.call('a.answered')];
  const ofHandle = failure(stage.call('@token.read', [], {}, { generation: stage.session.generation }));
  await settle();
  stage.answers(4, 'early');
  stage.says({ jsonrpc: '2.0', method: 'rpc.ack', params: { received: 1, last: true } });
  const late = stage.call('a.late');
  await settle();
  // What was taken is answered.
  stage.answers(1, 'done');
  assert.equal(await taken, 'done');
  assert.equal(await others[2], 'early');
  assert.equal(stage.session.disconnected(1001, 'the gateway shuts down'), true);
  stage.connect(null);
  assert.equal(stage.written[0].params.stream, HELLO_RESULT.stream);
  stage.says({ jsonrpc: '2.0', id: 0, error: { code: -32005, message: 'gone', data: { code: 'not_found' } } });
  stage.frames = [];
  stage.says({ jsonrpc: '2.0', id: 0, result: { ...HELLO_RESULT, session: 'other', stream: 'other' } });
  await settle();
  assert.deepEqual(
    stage.written.map(({ method }) => method),
    ['a.first', 'a.second', 'a.late'],
  );
  const error = await ofHandle;
  assert.equal(error.code, 'unavailable');
  assert.match(error.message, /the call was not sent/);
  [2, 3, 6].forEach((id) => stage.answers(id, id));
  assert.deepEqual(await Promise.all([others[0], others[1], late]), [2, 3, 6]);
});

test('after a gateway that ended the next one takes as many calls as it says', async () => {
  const limits = { ...HELLO_RESULT, limits: { max_calls_per_session: 2 } };
  const stage = new Stage().connect(limits);
  const calls = [stage.call('a.b'), stage.call('a.b'), stage.call('a.b')];
  await settle();
  stage.says({ jsonrpc: '2.0', method: 'rpc.ack', params: { received: 0, last: true } });
  stage.session.disconnected(4002, '');
  stage.connect(null);
  stage.frames = [];
  stage.says({ jsonrpc: '2.0', id: 0, result: limits });
  assert.deepEqual(
    stage.written.map(({ id }) => id),
    [1, 2],
  );
  stage.answers(1, 1);
  await settle();
  assert.equal(stage.written.length, 3);
  stage.answers(2, 2);
  stage.answers(3, 3);
  assert.deepEqual(await Promise.all(calls), [1, 2, 3]);
});
