// Calls that the gateway refuses for now: the client waits and makes them again, in their order.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { failure, settle } from './fakes.js';
import { Scripted, handle } from './scripted.js';
import { Stage } from './stage.js';

// Whether what came was acknowledged meanwhile is no matter.
const calls = ({ written }) => written.filter(({ method }) => method !== 'rpc.ack');
const methods = (play) => calls(play).map(({ method }) => method);

const refusal = (seconds, code = 'resource_exhausted') => ({
  code: -32008,
  message: `too many: try again in ${seconds} s`,
  data: { code, retry_after: seconds },
});

function refuse(play, seconds, ...ids) {
  play.says(...ids.map((id) => ({ jsonrpc: '2.0', id, error: refusal(seconds) })));
}

test('a refused call is made again when the gateway said so, and not before', async () => {
  const play = new Stage().connect();
  const call = play.call('a.b', [7]);
  await settle();
  refuse(play, 2, 1);
  play.clock.advance(1999);
  await settle();
  assert.deepEqual(methods(play), ['a.b']);
  play.clock.advance(1);
  await settle();
  assert.deepEqual(calls(play)[1], { id: 1, method: 'a.b', params: [7] });
  play.answers(1, 'done');
  assert.equal(await call, 'done');
});

test('calls keep their order: those that were refused come before those that were made meanwhile', async () => {
  const play = new Stage().connect();
  ['a.1', 'a.2', 'a.3'].forEach((method) => play.call(method));
  await settle();
  refuse(play, 1, 2);
  play.call('a.4');
  await settle();
  refuse(play, 1, 3);
  await settle();
  assert.deepEqual(methods(play), ['a.1', 'a.2', 'a.3']);
  play.clock.advance(1000);
  await settle();
  assert.deepEqual(methods(play).slice(3), ['a.2', 'a.3', 'a.4']);
});

test('what is no call is written meanwhile', async () => {
  const play = new Stage().connect();
  play.call('a.b');
  await settle();
  refuse(play, 1, 1);
  play.session.ping();
  await settle();
  assert.deepEqual(methods(play), ['a.b', 'rpc.ping']);
});

test('a call that builds on a refused one is made again behind it', async () => {
  const scripted = new Scripted();
  const found = scripted.gateway.service('book').find('Ann');
  const updated = found.updater.update(1);
  await settle();
  const cause = { code: 'resource_exhausted', retry_after: 1 };
  scripted.says({ jsonrpc: '2.0', id: 1, error: refusal(1) });
  scripted.says({
    jsonrpc: '2.0',
    id: 2,
    error: { code: -32008, message: 'so did that', data: { code: cause.code, cause } },
  });
  scripted.clock.advance(1000);
  await settle();
  const sent = (await scripted.sent()).filter(([method]) => method !== 'rpc.ack');
  assert.deepEqual(sent.slice(2), [
    ['book.find', ['Ann']],
    ['#1.updater.update', [1]],
  ]);
  await scripted.answers(1, { updater: handle('t1') });
  await scripted.answers(2, 'done');
  assert.equal(await updated, 'done');
});

test('a call whose time is over before that, or that is aborted, is not made again', async () => {
  const play = new Stage().connect();
  const controller = new AbortController();
  const late = play.call('a.late', [], { timeout: 500 });
  const aborted = play.call('a.aborted', [], { signal: controller.signal });
  await settle();
  refuse(play, 1, 1, 2);
  play.clock.advance(500);
  controller.abort();
  assert.equal((await failure(late)).code, 'deadline_exceeded');
  assert.equal((await failure(aborted)).code, 'cancelled');
  play.clock.advance(1000);
  await settle();
  assert.deepEqual(methods(play), ['a.late', 'a.aborted']);
});

test('where the wait is long the page is told, and what it passed is its own again', async () => {
  const play = new Stage().connect();
  const call = play.call('a.b', [], {}, { callbacks: ['c1'] });
  await settle();
  refuse(play, 3600, 1);
  const error = await failure(call);
  assert.deepEqual([error.code, error.data.retry_after], ['resource_exhausted', 3600]);
  assert.deepEqual(play.settled, [[['c1'], false]]);
});

test('a failure of a service is no refusal, whatever it says', async () => {
  const play = new Stage().connect();
  const call = play.call('a.b');
  await settle();
  play.says({
    jsonrpc: '2.0',
    id: 1,
    error: { code: -32008, message: 'full', data: { code: 'resource_exhausted', details: { retry_after: 1 } } },
  });
  assert.equal((await failure(call)).message, 'full');
});

test('a connection that is lost meanwhile loses no refused call', async () => {
  const play = new Stage().connect();
  const call = play.call('a.b');
  await settle();
  refuse(play, 1, 1);
  play.session.disconnected(1006, '');
  play.connect();
  play.clock.advance(1000);
  await settle();
  assert.deepEqual(methods(play), ['a.b']);
  play.answers(1, 'done');
  assert.equal(await call, 'done');
});

test('a session that is closed leaves no timer behind', async () => {
  const play = new Stage().connect();
  const call = play.call('a.b');
  await settle();
  refuse(play, 1, 1);
  play.session.close();
  assert.equal((await failure(call)).code, 'unavailable');
  assert.equal(play.clock.waiting, 0);
});
