// The client keeps to what the gateway takes by itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HELLO_RESULT, failure, settle } from './fakes.js';
import { Scripted, handle } from './scripted.js';
import { Stage } from './stage.js';

function stage(limits) {
  return new Stage().connect({ ...HELLO_RESULT, limits: { max_message_bytes: 1_000_000, ...limits } });
}

const methods = ({ written }) => written.map(({ method, id }) => method ?? id);

test('calls over the limit wait until others are answered, in the order made', async () => {
  const play = stage({ max_calls_per_session: 2 });
  const calls = ['a.b', 'a.c', 'a.d', 'a.e'].map((method) => play.call(method));
  await settle();
  assert.deepEqual(methods(play), ['a.b', 'a.c']);
  play.answers(2, 'c');
  await settle();
  assert.deepEqual(methods(play), ['a.b', 'a.c', 'a.d']);
  play.answers(1, 'b');
  play.answers(3, 'd');
  await settle();
  play.answers(4, 'e');
  assert.deepEqual(await Promise.all(calls), ['b', 'c', 'd', 'e']);
});

test('what calls under way may wait for goes past those that are held', async () => {
  const play = stage({ max_calls_per_session: 1 });
  play.callback = async () => ({ result: 42, callbacks: [] });
  const controller = new AbortController();
  play.call('a.b', [], { signal: controller.signal });
  play.call('a.held');
  await settle();
  play.says({ jsonrpc: '2.0', id: 'g:1', method: '!c1.read', params: [] });
  await settle();
  assert.deepEqual(play.written[1], { id: 'g:1', result: 42 });
  controller.abort();
  await settle();
  assert.deepEqual(methods(play), ['a.b', 'g:1', 'rpc.cancel', 'a.held']);
});

test('a release stays behind the calls that were made before it', async () => {
  const play = stage({ max_calls_per_session: 1 });
  play.call('a.b');
  play.call('@t.read');
  play.session.release('t', play.session.generation);
  await settle();
  assert.deepEqual(methods(play), ['a.b']);
  play.answers(1, null);
  await settle();
  assert.deepEqual(methods(play), ['a.b', '@t.read', 'rpc.release']);
});

test('calls wait while more bytes are unconfirmed than the gateway keeps', async () => {
  const play = stage({ send_buffer_bytes: 1000 });
  const text = 'x'.repeat(600);
  ['a.b', 'a.c', 'a.d'].forEach((method) => play.call(method, [text]));
  await settle();
  assert.deepEqual(methods(play), ['a.b', 'a.c']);
  play.says({ jsonrpc: '2.0', method: 'rpc.ack', params: { received: 1 } });
  await settle();
  assert.deepEqual(methods(play), ['a.b', 'a.c', 'a.d']);
});

test('a held call ends by its time and its signal, and is never written', async () => {
  const play = stage({ max_calls_per_session: 1 });
  const controller = new AbortController();
  play.call('a.b');
  const late = play.call('a.late', [], { timeout: 1000 });
  const aborted = play.call('a.aborted', [], { signal: controller.signal });
  await settle();
  play.clock.advance(1000);
  controller.abort();
  assert.equal((await failure(late)).code, 'deadline_exceeded');
  assert.equal((await failure(aborted)).code, 'cancelled');
  play.answers(1, null);
  await settle();
  assert.deepEqual(methods(play), ['a.b']);
});

test('a held call without a time of its own waits for its turn as long as there is a connection', async () => {
  const play = stage({ max_calls_per_session: 1 });
  play.call('a.b', [], { timeout: 500_000 });
  const held = play.call('a.held');
  await settle();
  play.clock.advance(200_000);
  play.answers(1, null);
  await settle();
  play.answers(2, 'at last');
  assert.equal(await held, 'at last');
});

test('a call into an answer that came while it was held is a call of the object', async () => {
  const scripted = new Scripted({ ...HELLO_RESULT, limits: { max_calls_per_session: 2 } });
  const found = scripted.gateway.service('book').find('Ann');
  found.updater.update(1);
  const held = found.updater.update(2);
  await scripted.answers(1, { updater: handle('t1') });
  // The answer is confirmed, so that the gateway knows it no longer.
  scripted.clock.advance(1000);
  await settle();
  assert.deepEqual(
    (await scripted.sent()).filter(([method]) => method !== 'rpc.ack'),
    [
      ['book.find', ['Ann']],
      ['#1.updater.update', [1]],
      ['@t1.update', [2]],
    ],
  );
  await scripted.answers(3, 'done');
  assert.equal(await held, 'done');
});

test('a message with more values than the gateway takes is refused here, and so is an answer', async () => {
  const scripted = new Scripted({ ...HELLO_RESULT, limits: { max_values: 10 } });
  const service = scripted.gateway.service('a');
  const error = await failure(service.b(Array.from({ length: 20 }, (_, index) => ({ index }))));
  assert.deepEqual(
    [error.code, error.message],
    ['too_large', 'the call of a.b has 41 values; the gateway takes no more than 10 in a message'],
  );
  service.b([1, 2, 3], () => Array.from({ length: 20 }));
  await settle();
  scripted.says({ id: 'g:1', method: '!c1.call', params: [] });
  await settle();
  assert.deepEqual((await scripted.sent())[0], ['a.b', [[1, 2, 3], { $callback: 'c1' }]]);
  assert.equal(scripted.written[1].error.data.code, 'too_large');
});

test('calls that were never sent are made in the new session, without those that need an object of the old', async () => {
  const scripted = new Scripted({ ...HELLO_RESULT, limits: { max_calls_per_session: 2 } });
  const service = scripted.gateway.service('a');
  const value = service.value(7);
  await scripted.answers(1, handle('t1'));
  const object = await value;
  const sent = service.sent();
  const pending = service.pending();
  const needs = [object.read(), service.use(object), pending.read(), service.use(pending)].map(failure);
  const heard = [];
  const survivors = [service.first((text) => heard.push(text)), service.find().updater.update()];
  await settle();
  scripted.cut();
  const later = service.later();
  scripted.comeBackTo('another');
  assert.equal((await failure(sent)).code, 'outcome_unknown');
  assert.equal((await failure(pending)).code, 'outcome_unknown');
  assert.deepEqual(
    (await Promise.all(needs)).map(({ code }) => code),
    Array.from({ length: 4 }, () => 'unavailable'),
  );
  await settle();
  const written = scripted.WebSocket.sent.flatMap((frame) => JSON.parse(frame)).slice(-4);
  assert.deepEqual(
    written.map(({ method }) => method.replace(/#\d+/, '#n')),
    ['a.first', 'a.find', '#n.updater.update', 'a.later'],
  );
  scripted.says({ id: 'g:1', method: '!c1.told', params: ['still here'] });
  assert.deepEqual(heard, ['still here']);
  written.forEach(({ id }, index) => scripted.says({ id, result: index }));
  assert.deepEqual(await Promise.all([...survivors, later]), [0, 2, 3]);
});
