// Objects of the page that the gateway calls.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';

import { GatewayError } from '../../static/client/errors.js';
import { failure, settle } from './fakes.js';
import { Scripted, handle, returned } from './scripted.js';

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc');

test('a function and an object are called by the gateway, in order, with live objects', async () => {
  const scripted = new Scripted();
  const heard = [];
  const listener = {
    greeting: 'hello',
    changed(person, change) {
      heard.push([this.greeting, person.name, change, person.updater.$handle]);
      return { seen: true };
    },
  };
  scripted.gateway.service('addressbook').watch(listener, (text) => heard.push(text));
  assert.deepEqual(await scripted.sent(), [['addressbook.watch', [{ $callback: 'c1' }, { $callback: 'c2' }]]]);
  scripted.says({ id: 'g:1', method: '!c1.changed', params: [{ name: 'Ann', updater: handle('t1') }, 'added'] });
  scripted.says({ id: 'g:2', method: '!c2.call', params: ['text'] });
  assert.deepEqual(heard, [['hello', 'Ann', 'added', 't1'], 'text']);
  await settle();
  assert.deepEqual(scripted.written.slice(1), [
    { id: 'g:1', result: { seen: true } },
    { id: 'g:2', result: 2 },
  ]);
});

test('a callback that returns a promise, an object or a function answers with it', async () => {
  const scripted = new Scripted();
  const callback = { later: async () => 5, make: () => ({ read: () => 1 }) };
  scripted.gateway.service('a').use(callback);
  await settle();
  scripted.says({ id: 'g:1', method: '!c1.later', params: [] });
  scripted.says({ id: 'g:2', method: '!c1.make', params: [] });
  await settle();
  scripted.says({ id: 'g:3', method: '!c2.read', params: [] });
  await settle();
  assert.deepEqual(
    scripted.written.slice(1).map(({ result }) => result),
    [5, { $callback: 'c2' }, 1],
  );
});

test('a missing method, a missing callback and a failing one are answered as errors', async (t) => {
  ['warn', 'error'].forEach((name) => t.mock.method(console, name, () => {}));
  const scripted = new Scripted();
  const callback = {
    changed() {
      throw new TypeError('broken');
    },
  };
  scripted.gateway.service('a').watch(callback);
  await settle();
  for (const [id, method] of [
    ['g:1', '!c1.deleted'],
    ['g:2', '!c1.constructor'],
    ['g:3', '!c9.changed'],
    ['g:4', '!c1.changed'],
  ]) {
    scripted.says({ id, method, params: [handle('t1')] });
  }
  await settle();
  const answers = new Map(scripted.written.filter(({ error }) => error).map(({ id, error }) => [id, error]));
  assert.deepEqual(
    [...answers.keys()].sort().map((id) => [answers.get(id).code, answers.get(id).data.code]),
    [
      [-32012, 'unimplemented'],
      [-32012, 'unimplemented'],
      [-32005, 'not_found'],
      [-32002, 'unknown'],
    ],
  );
  assert.equal(answers.get('g:4').message, 'broken');
  // What nobody took is given back.
  assert.equal(scripted.written.filter(({ method }) => method === 'rpc.release').length, 3);
});

test('what a callback throws is told to the page, unless it is meant for the service', async (t) => {
  const scripted = new Scripted();
  const reported = [];
  const reportError = t.mock.method(console, 'error', (error) => reported.push(error.message));
  const service = scripted.gateway.service('a');
  service.watch((text) => {
    throw text === 'refuse' ? new GatewayError('not_found', text) : new ReferenceError(text);
  });
  await settle();
  const call = async (number, text) => {
    scripted.says({ id: `g:${number}`, method: '!c1.call', params: [text] });
    await settle();
  };
  await call(1, 'refuse');
  assert.deepEqual(reported, []);
  await call(2, 'broken');
  assert.deepEqual(reported, ['broken']);
  globalThis.reportError = (error) => reported.push(`reported: ${error.message}`);
  t.after(() => delete globalThis.reportError);
  await call(3, 'broken');
  assert.deepEqual(reported, ['broken', 'reported: broken']);
  const heard = [];
  scripted.gateway.on('error', (error) => heard.push(error.message));
  await call(4, 'broken');
  assert.deepEqual([heard, reported.length], [['broken'], 2]);
  assert.equal(reportError.mock.callCount(), 1);
  assert.equal(scripted.written.at(-1).error.message, 'broken');
});

test('a method that the service calls and the callback does not have is warned of once', async (t) => {
  const scripted = new Scripted();
  const warn = t.mock.method(console, 'warn', () => {});
  const listener = { chnaged() {} };
  scripted.gateway.service('a').watch(listener);
  await settle();
  for (const [number, method] of ['changed', 'changed', 'deleted'].entries()) {
    scripted.says({ id: `g:${number}`, method: `!c1.${method}`, params: [] });
  }
  await settle();
  assert.deepEqual(
    warn.mock.calls.map(({ arguments: said }) => said),
    [
      ['the callback has no method changed', listener],
      ['the callback has no method deleted', listener],
    ],
  );
});

test('a subscription that nobody holds lives as long as the service has the callback', async () => {
  const scripted = new Scripted();
  const heard = [];
  const service = scripted.gateway.service('a');
  service.watch((text) => heard.push(text));
  await scripted.answers(1, handle('subscription'));
  service.value();
  await scripted.answers(2, handle('forgotten'));
  const released = () =>
    scripted.written.filter(({ method }) => method === 'rpc.release').map(({ params }) => params.handle);
  while (released().length === 0) {
    collectGarbage();
    await settle();
  }
  collectGarbage();
  await settle();
  assert.deepEqual(released(), ['forgotten']);
  scripted.says({ id: 'g:1', method: '!c1.call', params: ['alive'] });
  assert.deepEqual(heard, ['alive']);
  scripted.says({ method: 'rpc.released', params: { callback: 'c1', code: 'released', reason: '' } });
  while (released().length === 1) {
    collectGarbage();
    await settle();
  }
  assert.deepEqual(released(), ['forgotten', 'subscription']);
});

test('a subscription can be released while the service has the callback', async () => {
  const scripted = new Scripted();
  const call = scripted.gateway.service('a').watch(() => {});
  await scripted.answers(1, handle('subscription'));
  (await call).$release();
  assert.deepEqual((await scripted.sent()).at(-1), ['rpc.release', { handle: 'subscription', count: 1 }]);
});

test('a method that declares one parameter more is told when nobody waits for it', async () => {
  const scripted = new Scripted();
  const signals = [];
  const callback = {
    slow(value, { signal }) {
      signals.push(signal);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(value)));
    },
    plain: (...args) => args,
  };
  scripted.gateway
    .service('a')
    .watch(callback)
    .catch(() => {});
  await settle();
  scripted.says({ id: 'g:1', method: '!c1.slow', params: [1] });
  scripted.says({ id: 'g:2', method: '!c1.slow', params: [2] });
  scripted.says({ id: 'g:3', method: '!c1.plain', params: [3] });
  scripted.says({ method: 'rpc.cancel', params: { id: 'g:1' } });
  await settle();
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, false],
  );
  assert.equal(signals[0].reason.code, 'cancelled');
  assert.deepEqual(scripted.written.slice(1), [{ id: 'g:3', result: [3] }]);
  scripted.cut();
  scripted.comeBackTo('another session');
  assert.equal(signals[1].aborted, true);
});

test('one listener keeps its name until the gateway lets go of it', async () => {
  const scripted = new Scripted();
  const listener = () => {};
  const service = scripted.gateway.service('a');
  service.watch(listener);
  service.watch(listener, [listener]);
  await scripted.answers(1, null);
  await scripted.answers(2, null);
  const heard = [];
  scripted.gateway.on('released', (what) => heard.push(what));
  scripted.says({ method: 'rpc.released', params: { callback: 'c1', code: 'ok', reason: 'dropped' } });
  scripted.says({ id: 'g:1', method: '!c1.changed', params: [] });
  service.watch(listener);
  await settle();
  assert.deepEqual(
    scripted.written.filter(({ method }) => method === 'a.watch').map(({ params }) => params),
    [[{ $callback: 'c1' }], [{ $callback: 'c1' }, [{ $callback: 'c1' }]], [{ $callback: 'c2' }]],
  );
  assert.equal(scripted.written.find(({ id }) => id === 'g:1').error.data.code, 'not_found');
  assert.deepEqual(heard, [{ callback: `${scripted.WebSocket.prefix}c1`, code: 'ok', reason: 'dropped' }]);
});

test('a listener that is passed again while the gateway lets go of it stays', async () => {
  const scripted = new Scripted();
  const heard = [];
  const listener = (text) => heard.push(text);
  const service = scripted.gateway.service('a');
  service.watch(listener);
  await scripted.answers(1, null);
  service.watch(listener);
  await settle();
  scripted.says({ method: 'rpc.released', params: { callback: 'c1', code: 'ok', reason: 'dropped' } });
  scripted.says({ id: 'g:1', method: '!c1.changed', params: ['still here'] });
  assert.deepEqual(heard, ['still here']);
});

test('objects and callbacks outlive a lost connection', async () => {
  const { scripted, object } = await returned();
  const states = [];
  const heard = [];
  scripted.gateway.on('state', (state, details) => states.push([state, details.resumed]));
  scripted.gateway.service('a').watch((text) => heard.push(text));
  await scripted.answers(2, null);
  scripted.cut();
  assert.equal(scripted.gateway.state, 'reconnecting');
  const waiting = object.read();
  scripted.comeBack();
  await scripted.answers(3, 3);
  assert.equal(await waiting, 3);
  scripted.says({ id: 'g:1', method: '!c1.changed', params: ['still here'] });
  assert.deepEqual(heard, ['still here']);
  assert.deepEqual(states, [
    ['reconnecting', undefined],
    ['open', true],
  ]);
});

test('when the session is lost, objects and callbacks of before are gone and the page is told', async () => {
  const { scripted, object } = await returned();
  const states = [];
  scripted.gateway.on('state', (state, details) => states.push([state, details.resumed]));
  scripted.gateway.service('a').watch(() => {});
  await scripted.answers(2, null);
  scripted.cut();
  const waiting = failure(object.add(1, 2));
  scripted.comeBackTo('another session');
  assert.equal((await waiting).code, 'unavailable');
  const stale = await failure(object.read());
  assert.deepEqual([stale.code, /belonged to a session that was lost/.test(stale.message)], ['not_found', true]);
  assert.deepEqual(states, [
    ['reconnecting', undefined],
    ['open', false],
  ]);
  object.$release();
  scripted.says({ id: 'g:1', method: '!c1.changed', params: [] });
  await settle();
  const after = scripted.written;
  assert.ok(!after.some(({ method }) => method === 'rpc.release'));
  assert.equal(after.find(({ id }) => id === 'g:1').error.data.code, 'not_found');
});

test('a call that is called off in the frame that brings it is never run, and gives back what it carries', async () => {
  const scripted = new Scripted();
  const heard = [];
  scripted.gateway.service('a').watch((value) => heard.push(value));
  await settle();
  const request = (id, value) => ({ jsonrpc: '2.0', id, method: '!c1.changed', params: [value] });
  const cancel = (id) => ({ jsonrpc: '2.0', method: 'rpc.cancel', params: { id } });
  scripted.WebSocket.latest.emit('message', {
    data: JSON.stringify([request('g:1', handle('t1')), request('g:2', 'second'), cancel('g:1')]),
  });
  scripted.says({ method: 'rpc.void', params: {} });
  await settle();
  assert.deepEqual(heard, ['second']);
  assert.deepEqual(scripted.written.slice(1), [
    { method: 'rpc.release', params: { handle: 't1', count: 1 } },
    { id: 'g:2', result: 1 },
  ]);
  assert.equal(scripted.gateway.resumption.received, 4);
});

test('the answer of a call that is called off while it runs is dropped', async () => {
  const scripted = new Scripted();
  let end;
  const callback = {
    slow: () => new Promise((resolve) => (end = () => resolve(() => 'never passed'))),
    quick: () => 2,
  };
  scripted.gateway.service('a').watch(callback);
  await settle();
  scripted.says({ id: 'g:1', method: '!c1.slow', params: [] });
  scripted.says({ method: 'rpc.cancel', params: { id: 'g:1' } });
  scripted.says({ method: 'rpc.cancel', params: { id: 'g:99' } });
  scripted.says({ method: 'rpc.cancel' });
  end();
  scripted.says({ id: 'g:2', method: '!c1.quick', params: [] });
  await settle();
  assert.deepEqual(scripted.written.slice(1), [{ id: 'g:2', result: 2 }]);
});
