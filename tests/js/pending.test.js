// Calls into results that have not come yet.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { failure, settle } from './fakes.js';
import { Scripted, handle, returned } from './scripted.js';

test('a member of a call that has not been answered can be called', async () => {
  const scripted = new Scripted();
  const update = scripted.gateway.service('addressbook').find('Ann').updater.update({ phoneNumber: '5' });
  await scripted.answers(1, { name: 'Ann', updater: handle('t1') });
  await scripted.answers(2, { name: 'Ann', phoneNumber: '5' });
  assert.equal((await update).phoneNumber, '5');
  assert.deepEqual(await scripted.sent(), [
    ['addressbook.find', ['Ann']],
    ['#1.updater.update', [{ phoneNumber: '5' }]],
  ]);
});

test('a chain of calls is one frame', async () => {
  const scripted = new Scripted();
  scripted.gateway.service('a').open('x').child(1).name.first();
  await settle();
  assert.equal(scripted.WebSocket.latest.frames.length, 1);
  assert.deepEqual(await scripted.sent(), [
    ['a.open', ['x']],
    ['#1.child', [1]],
    ['#2.name.first', []],
  ]);
});

test('once the answer is there, calls into it are calls of its object', async () => {
  const scripted = new Scripted();
  const found = scripted.gateway.service('addressbook').find('Ann');
  await scripted.answers(1, { updater: handle('t1') });
  found.updater.update({});
  assert.deepEqual((await scripted.sent())[1], ['@t1.update', [{}]]);
});

test('a method of a returned object can be called before it is there', async () => {
  const scripted = new Scripted();
  const value = scripted.gateway.service('calculator').value(7);
  const read = value.read();
  const viaCall = value.$call('read', [], { timeout: 50 });
  await scripted.answers(1, handle('t1'));
  await scripted.answers(2, 7);
  await scripted.answers(3, 7);
  assert.deepEqual(await Promise.all([read, viaCall]), [7, 7]);
});

test('a member of a call can be awaited by itself', async () => {
  const scripted = new Scripted();
  const found = scripted.gateway.service('addressbook').find('Ann');
  await scripted.answers(1, { name: 'Ann', then: 'data', tags: ['x'] });
  assert.equal(await found.name, 'Ann');
  assert.equal(await found.tags[0], 'x');
  assert.equal(await found.$get('then'), 'data');
  assert.equal(await found.absent, undefined);
  assert.match(
    (await failure(found.absent.further)).message,
    /the result\.absent is undefined, so it has no member further/,
  );
});

test('a call into what is no object fails and names the place', async () => {
  const scripted = new Scripted();
  const found = scripted.gateway.service('addressbook').find('Ann');
  await scripted.answers(1, { name: 'Ann', updater: null });
  const error = await failure(found.name.update());
  assert.deepEqual([error.code, error.message], ['invalid_argument', 'the result.name is not a remote object']);
  assert.match((await failure(found.updater.update())).message, /the result\.updater is not a remote object/);
});

test('a call into a failed call fails with its code and cause', async () => {
  const scripted = new Scripted();
  const found = scripted.gateway.service('addressbook').find('Zoe');
  const failing = failure(found);
  await scripted.fails(1, 'not_found', 'no Zoe');
  await failing;
  const error = await failure(found.updater.update({}));
  assert.equal(error.code, 'not_found');
  assert.equal(error.message, 'the call that this one builds on failed: no Zoe');
  assert.deepEqual(error.data.cause, { code: 'not_found', detail: 'no Zoe' });
  assert.equal(error.cause.message, 'no Zoe');
  assert.equal((await scripted.sent()).length, 1);
});

test('the cause of a failure is told one level deep, however long the chain', async () => {
  const scripted = new Scripted();
  const first = scripted.gateway.service('a').first();
  const settled = failure(first);
  await scripted.fails(1, 'not_found', 'nothing there');
  await settled;
  const second = first.second();
  await failure(second);
  const error = await failure(second.third());
  assert.equal(error.code, 'not_found');
  assert.deepEqual(error.data, { code: 'not_found', cause: { code: 'not_found' } });
});

test('an unanswered call can be an argument', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  calculator.$call('use', { value: calculator.value(1), names: [calculator.find('x').name] });
  assert.deepEqual((await scripted.sent())[2], [
    'calculator.use',
    { value: { $result: 1, path: [] }, names: [{ $result: 2, path: ['name'] }] },
  ]);
});

test('a result that is an argument where no object is expected is sent as itself', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  const heard = [];
  const sum = calculator.add(calculator.add(1, 2), (text) => heard.push(text));
  await scripted.answers(1, 3);
  const refused = { code: 'invalid_argument', path: '$[0]', detail: '$[0]: expected Int32, got an object' };
  scripted.says({ id: 2, error: { code: -32602, message: refused.detail, data: refused } });
  await settle();
  assert.deepEqual((await scripted.sent())[2], ['calculator.add', [3, { $callback: 'c1' }]]);
  scripted.says({ id: 'g:1', method: '!c1.told', params: ['x'] });
  assert.deepEqual(heard, ['x']);
  await scripted.answers(3, 6);
  assert.equal(await sum, 6);
});

test('a chain of such calls is made with the values, one after the other', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  const sum = calculator.add(calculator.add(calculator.add(1, 2), 3), 4);
  const refused = { code: 'invalid_argument', path: '$[0]', detail: '$[0]: expected Int32, got an object' };
  const refuse = (id, data) => scripted.says({ id, error: { code: -32602, message: 'refused', data } });
  await scripted.answers(1, 3);
  refuse(2, refused);
  refuse(3, { code: 'invalid_argument', cause: refused });
  await settle();
  await scripted.answers(4, 6);
  await scripted.answers(5, 10);
  assert.equal(await sum, 10);
  assert.deepEqual(
    (await scripted.sent()).map(([, params]) => params),
    [
      [1, 2],
      [{ $result: 1, path: [] }, 3],
      [{ $result: 2, path: [] }, 4],
      [3, 3],
      [6, 4],
    ],
  );
});

test('another error of such a call is its own', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  const failing = failure(calculator.add(calculator.add(1, 2), 'x'));
  await scripted.answers(1, 3);
  const refused = { code: 'invalid_argument', path: '$[1]', detail: '$[1]: expected Int32, got "x"' };
  scripted.says({ id: 2, error: { code: -32602, message: refused.detail, data: refused } });
  assert.equal((await failing).path, '$[1]');
  assert.equal((await scripted.sent()).length, 2);
});

test('a call is a promise with all that belongs to one', async () => {
  const scripted = new Scripted();
  const call = scripted.gateway.service('calculator').add(1, 2);
  assert.ok(call instanceof Promise);
  const log = [];
  const chain = call.then((sum) => sum + 1).finally(() => log.push('finally'));
  await scripted.answers(1, 3);
  assert.equal(await chain, 4);
  assert.deepEqual(log, ['finally']);
  const failing = scripted.gateway.service('calculator').add(1, 2);
  const caught = failing.catch((error) => error.code);
  await scripted.fails(2, 'internal');
  assert.equal(await caught, 'internal');
  assert.equal(call.constructor, undefined);
});

test('$release on an unanswered call releases what comes', async () => {
  const scripted = new Scripted();
  const call = scripted.gateway.service('addressbook').find('Ann');
  call.$release();
  await scripted.answers(1, { name: 'Ann', updater: handle('t1') });
  assert.deepEqual((await scripted.sent())[1], ['rpc.release', { handle: 't1', count: 1 }]);
});
