// Services and returned objects as the user of the client sees them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import v8 from 'node:v8';
import vm from 'node:vm';

import { failure, settle } from './fakes.js';
import { Scripted, handle, returned } from './scripted.js';

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc');

test('a method of a service is a call by position and its result is the answer', async () => {
  const scripted = new Scripted();
  const sum = scripted.gateway.service('calculator').add(2, 5);
  await scripted.answers(1, 7);
  assert.equal(await sum, 7);
  assert.deepEqual(scripted.written, [{ id: 1, method: 'calculator.add', params: [2, 5] }]);
});

test('what is missing at the end of the parameters is not sent', async () => {
  const scripted = new Scripted();
  scripted.gateway.service('calculator').add(2, undefined);
  assert.deepEqual(await scripted.sent(), [['calculator.add', [2]]]);
});

test('$call takes parameters by name, by position and none', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  calculator.$call('add', { first: 2, second: 5 }, { timeout: 1000 });
  calculator.$call('add', [2, 5]);
  calculator.$call('reset');
  assert.deepEqual(await scripted.sent(), [
    ['calculator.add', { first: 2, second: 5 }],
    ['calculator.add', [2, 5]],
    ['calculator.reset', []],
  ]);
  assert.deepEqual(scripted.written[0].meta, { timeout: 1 });
});

test('several results come as an object without prototype', async () => {
  const scripted = new Scripted();
  const call = scripted.gateway.service('calculator').divide(7, 2);
  await scripted.answers(1, { quotient: 3, remainder: 1 });
  const result = await call;
  assert.deepEqual({ ...result }, { quotient: 3, remainder: 1 });
  assert.equal(Object.getPrototypeOf(result), null);
});

test('a timeout must be a time', async () => {
  const scripted = new Scripted();
  for (const timeout of [0, -1, NaN, Infinity, 'soon', null]) {
    const error = await failure(scripted.gateway.service('calculator').$call('add', [], { timeout }));
    assert.equal(error.code, 'invalid_argument', String(timeout));
  }
  assert.deepEqual(await scripted.sent(), []);
});

test('what is changed after the call is not sent', async () => {
  const scripted = new Scripted();
  const person = { name: 'Ann', tags: ['a'] };
  scripted.gateway.service('addressbook').add(person);
  person.name = 'Bob';
  person.tags.push('b');
  assert.deepEqual(await scripted.sent(), [['addressbook.add', [{ name: 'Ann', tags: ['a'] }]]]);
});

test('an argument that cannot be sent rejects the call and nothing is sent', async () => {
  const scripted = new Scripted();
  const error = await failure(scripted.gateway.service('calculator').add(1, Symbol('x')));
  assert.deepEqual([error.code, error.path], ['invalid_argument', '$[1]']);
  assert.deepEqual(await scripted.sent(), []);
});

test('awaiting or printing a proxy calls nothing', async () => {
  const { scripted, object } = await returned();
  const service = scripted.gateway.service('calculator');
  for (const proxy of [object, service]) {
    assert.equal(await proxy, proxy);
    assert.equal(JSON.stringify({ proxy }), '{"proxy":{}}');
    inspect(proxy);
    assert.match(`${proxy}`, /^\[remote /);
    for (const name of ['then', 'toJSON', 'constructor', Symbol.iterator, Symbol.asyncIterator]) {
      assert.equal(proxy[name], undefined);
    }
    assert.equal('add' in proxy, false);
    assert.throws(() => {
      proxy.add = 1;
    }, TypeError);
  }
  assert.deepEqual(await scripted.sent(), []);
});

test('methods of every name can be called with $call and $get', async () => {
  const { scripted, object } = await returned();
  object.$call('then', [1]);
  object.$get('toJSON')(2);
  object.toString();
  assert.deepEqual(await scripted.sent(), [
    ['@t1.then', [1]],
    ['@t1.toJSON', [2]],
    ['@t1.toString', []],
  ]);
});

test('a method is the same function each time and works without its object', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  assert.equal(calculator, scripted.gateway.service('calculator'));
  assert.equal(calculator.add, calculator.add);
  const { add } = calculator;
  add(1, 2);
  assert.deepEqual(await scripted.sent(), [['calculator.add', [1, 2]]]);
});

test('a name that no service can have is refused', () => {
  const { gateway } = new Scripted();
  for (const name of ['', '@token', 'a.b', '1a', undefined]) {
    assert.throws(() => gateway.service(name), { code: 'invalid_argument' });
  }
});

test('a returned object has methods of its own, wherever it stands in the result', async () => {
  const scripted = new Scripted();
  const call = scripted.gateway.service('addressbook').list();
  await scripted.answers(1, [{ name: 'Ann', updater: handle('t1', 'Person.Updater') }]);
  const [person] = await call;
  assert.equal(person.updater.$interface, 'Person.Updater');
  assert.equal(person.updater.$handle, 't1');
  person.updater.update({ email: 'e' });
  assert.deepEqual((await scripted.sent())[1], ['@t1.update', [{ email: 'e' }]]);
});

test('an object is passed back as the handle that it is', async () => {
  const { scripted, object } = await returned();
  scripted.gateway.service('calculator').addValues([object, 1], { value: object });
  assert.deepEqual(await scripted.sent(), [
    ['calculator.addValues', [[{ $handle: 't1' }, 1], { value: { $handle: 't1' } }]],
  ]);
});

test('a service, and an object of another connection, cannot be passed', async () => {
  const { object } = await returned();
  const other = new Scripted().gateway.service('calculator');
  assert.match((await failure(other.use(object))).message, /another connection/);
  assert.match((await failure(other.use(other))).message, /a service cannot be passed/);
});

test('a released object is given back once and cannot be used', async () => {
  const { scripted, object } = await returned();
  object.$release();
  object.$release();
  assert.deepEqual(await scripted.sent(), [['rpc.release', { handle: 't1', count: 1 }]]);
  assert.equal((await failure(object.read())).code, 'failed_precondition');
  const error = await failure(scripted.gateway.service('calculator').use({ value: object }));
  assert.deepEqual([error.code, error.path], ['failed_precondition', '$[0].value']);
});

test('a disposable object is released at the end of its block', async () => {
  const { scripted, object } = await returned();
  object[Symbol.dispose]();
  assert.deepEqual(await scripted.sent(), [['rpc.release', { handle: 't1', count: 1 }]]);
});

test('one object that came twice is released twice, each proxy for itself', async () => {
  const { scripted, object } = await returned('t1');
  const again = scripted.gateway.service('calculator').value(7);
  await scripted.answers(2, handle('t1'));
  object.$release();
  (await again).read();
  assert.deepEqual((await scripted.sent()).slice(1), [
    ['rpc.release', { handle: 't1', count: 1 }],
    ['@t1.read', []],
  ]);
});

test('objects in a result that comes too late are released', async () => {
  const scripted = new Scripted();
  const call = scripted.gateway.service('calculator').$call('value', [7], { timeout: 5 });
  await settle();
  scripted.clock.advance(5);
  assert.equal((await failure(call)).code, 'deadline_exceeded');
  await scripted.answers(1, { a: handle('t1'), b: [handle('t2')] });
  assert.deepEqual((await scripted.sent()).slice(2), [
    ['rpc.release', { handle: 't1', count: 1 }],
    ['rpc.release', { handle: 't2', count: 1 }],
  ]);
});

test('an object that nobody can reach is released, one whose method is held is not', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  calculator.value(1);
  await scripted.answers(1, handle('forgotten'));
  const call = calculator.value(2);
  await scripted.answers(2, handle('held'));
  const { read } = await call;
  const releases = () => scripted.written.filter(({ method }) => method === 'rpc.release');
  while (releases().length === 0) {
    collectGarbage();
    await settle();
  }
  assert.deepEqual(releases(), [{ method: 'rpc.release', params: { handle: 'forgotten', count: 1 } }]);
  read();
});

test('$as takes an object for another interface, and what is not there yet as well', async () => {
  const { scripted, object } = await returned();
  const counter = object.$as('Counter');
  const value = counter.increment(2);
  const later = scripted.gateway.service('store').restore('a').$as('Counter');
  later.increment(3);
  assert.deepEqual(await scripted.sent(), [
    ['rpc.cast', { handle: { $handle: 't1' }, interface: 'Counter' }],
    ['#2.increment', [2]],
    ['store.restore', ['a']],
    ['rpc.cast', { handle: { $result: 4, path: [] }, interface: 'Counter' }],
    ['#5.increment', [3]],
  ]);
  await scripted.answers(2, { $handle: 't2', interface: 'Counter' });
  await scripted.answers(3, 2);
  const made = await counter;
  assert.deepEqual([made.$handle, made.$interface, await value], ['t2', 'Counter', 2]);
  made.$release();
  assert.deepEqual((await scripted.sent()).slice(5), [['rpc.release', { handle: 't2', count: 1 }]]);
});

test('what cannot be cast is refused before anything is sent', async () => {
  const { scripted, object } = await returned();
  object.$release();
  assert.equal((await failure(object.$as('Counter'))).code, 'failed_precondition');
  assert.equal((await failure(scripted.gateway.service('calculator').$as('Counter'))).code, 'invalid_argument');
  assert.deepEqual(await scripted.sent(), [['rpc.release', { handle: 't1', count: 1 }]]);
});

test('$describe asks the gateway about a service or an object', async () => {
  const { scripted, object } = await returned();
  const described = object.$describe();
  scripted.gateway.service('calculator').$describe();
  assert.deepEqual(await scripted.sent(), [
    ['rpc.describe', { handle: 't1' }],
    ['rpc.describe', { service: 'calculator' }],
  ]);
  await scripted.answers(2, { methods: [] });
  assert.deepEqual((await described).methods, []);
});
