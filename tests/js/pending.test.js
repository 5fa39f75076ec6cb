// Calls into results that have not come yet.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { failure } from './fakes.js';
import { Scripted, handle, returned } from './scripted.js';

test('a member of a call that has not been answered can be called', async () => {
  const scripted = new Scripted();
  const update = scripted.gateway.service('addressbook').find('Ann').updater.update({ phoneNumber: '5' });
  await scripted.answers(1, { name: 'Ann', updater: handle('t1') });
  await scripted.answers(2, { name: 'Ann', phoneNumber: '5' });
  assert.equal((await update).phoneNumber, '5');
  assert.deepEqual(await scripted.sent(), [
    ['addressbook.find', ['Ann']],
    ['@t1.update', [{ phoneNumber: '5' }]],
  ]);
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
  const failing = failure(found.name.update());
  await scripted.answers(1, { name: 'Ann', updater: null });
  const error = await failing;
  assert.deepEqual([error.code, error.message], ['invalid_argument', 'the result.name is not a remote object']);
  assert.match((await failure(found.updater.update())).message, /the result\.updater is not a remote object/);
});

test('a call into a failed call fails with its code and cause', async () => {
  const scripted = new Scripted();
  const failing = failure(scripted.gateway.service('addressbook').find('Zoe').updater.update({}));
  await scripted.fails(1, 'not_found', 'no Zoe');
  const error = await failing;
  assert.equal(error.code, 'not_found');
  assert.equal(error.message, 'the call that this one builds on failed: no Zoe');
  assert.deepEqual(error.data.cause, { code: 'not_found', detail: 'no Zoe' });
  assert.equal(error.cause.message, 'no Zoe');
});

test('an unanswered call can be an argument', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  const sum = calculator.add(calculator.add(1, 2), 3);
  const use = calculator.$call('use', { value: calculator.value(1), name: calculator.find('x').name });
  await scripted.answers(1, 3);
  await scripted.answers(2, handle('t1'));
  await scripted.answers(3, { name: 'y' });
  const sent = await scripted.sent();
  assert.deepEqual(sent[3], ['calculator.add', [3, 3]]);
  assert.deepEqual(sent[4], ['calculator.use', { value: { $handle: 't1' }, name: 'y' }]);
  await scripted.answers(4, 6);
  assert.equal(await sum, 6);
  await scripted.answers(5, null);
  assert.equal(await use, null);
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
  assert.equal(call.toJSON, undefined);
  assert.equal(call.constructor, undefined);
});

test('$release on an unanswered call releases what comes', async () => {
  const scripted = new Scripted();
  const call = scripted.gateway.service('addressbook').find('Ann');
  call.$release();
  await scripted.answers(1, { name: 'Ann', updater: handle('t1') });
  assert.deepEqual((await scripted.sent())[1], ['rpc.release', { handle: 't1', count: 1 }]);
});
