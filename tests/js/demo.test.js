// The client in node against the real gateway and its example services.
import assert from 'node:assert/strict';
import { once, EventEmitter } from 'node:events';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { GatewayError, connect } from '../../static/client/index.js';
import { startDemo, startProxy } from './demo.js';
import { failure } from './fakes.js';

let demo;
let gateway;
let calculator;
let book;

before(async () => {
  demo = await startDemo();
  gateway = await connect(demo.url, { WebSocket });
  calculator = gateway.service('calculator');
  book = gateway.service('addressbook');
});

after(async () => {
  gateway?.close();
  await demo?.stop();
});

/** What the gateway holds for the session, by REST. */
async function session() {
  const response = await fetch(`${demo.url}/api/session`, { headers: { 'Session-Id': gateway.session } });
  assert.equal(response.status, 200);
  return response.json();
}

/** A listener whose calls can be awaited. */
function listener() {
  const events = new EventEmitter();
  return { events, target: { changed: (person, change) => void events.emit('changed', person, change) } };
}

test('the ws package is found beside the program', async () => {
  const found = await connect(demo.url);
  assert.equal(await found.service('calculator').add(1, 2), 3);
  found.close();
});

test('one result is unboxed, several come by name', async () => {
  assert.equal(await calculator.add(2, 5), 7);
  assert.equal(await calculator.$call('add', { first: 2, second: 5 }), 7);
  assert.deepEqual({ ...(await calculator.divide(7, 2)) }, { quotient: 3, remainder: 1 });
});

test('many calls of one tick are all answered', async () => {
  const sums = await Promise.all(Array.from({ length: 200 }, (_, number) => calculator.add(number, 1)));
  assert.deepEqual(
    sums,
    Array.from({ length: 200 }, (_, number) => number + 1),
  );
});

test('a bad value is named by its path', async () => {
  const error = await failure(calculator.add(2, 2 ** 40));
  assert.ok(error instanceof GatewayError);
  assert.match(error.path, /second|\[1\]/);
  assert.ok(['invalid_argument', 'out_of_range'].includes(error.code), error.code);
  assert.match(error.message, /1099511627776/);
  const byName = await failure(book.add({ name: 'Max', tags: ['a', 5] }));
  assert.equal(byName.code, 'invalid_argument');
  assert.match(byName.path, /tags\[1\]$/);
});

test('an unknown service and method are not found', async () => {
  assert.equal((await failure(gateway.service('nobody').add(1, 2))).code, 'not_found');
  assert.equal((await failure(calculator.subtract(1, 2))).code, 'not_found');
});

test("a service's error keeps its code", async () => {
  const error = await failure(calculator.divide(1, 0));
  assert.equal(error.code, 'invalid_argument');
  assert.equal((await failure(book.find('Nobody Ever'))).code, 'not_found');
  assert.equal(typeof (await failure(book.find('Nobody Ever'))).requestId, 'string');
});

test('a returned object lives until it is released', async () => {
  const accumulator = await calculator.accumulator(10);
  assert.equal(accumulator.$interface, 'Calculator.Accumulator');
  assert.equal(Number(await accumulator.add(5)), 15);
  assert.equal(Number(await accumulator.value()), 15);
  assert.deepEqual(Object.keys(await accumulator.reset()), []);
  const token = accumulator.$handle;
  const holds = async () => JSON.stringify((await session()).handles).includes(token);
  assert.equal(await holds(), true);
  accumulator.$release();
  assert.equal((await failure(accumulator.value())).code, 'failed_precondition');
  // The release has no answer, but this call comes after it.
  await calculator.add(1, 1);
  assert.equal(await holds(), false);
});

test('an object can be described', async () => {
  const accumulator = await calculator.accumulator();
  const { interface: name, methods } = await accumulator.$describe();
  assert.equal(name, 'Calculator.Accumulator');
  assert.deepEqual(
    methods.map((method) => method.name),
    ['add', 'value', 'reset'],
  );
  const described = await calculator.$describe();
  assert.ok(described.methods.some((method) => method.name === 'add'));
  accumulator.$release();
});

test('a function is called by the service while it handles the call', async () => {
  assert.deepEqual(await calculator.map([1, 2, 3], (value) => value * 2), [2, 4, 6]);
  assert.deepEqual(await calculator.map([1, 2], { apply: async (value) => value + 1 }), [2, 3]);
});

test('what a callback throws reaches the caller through the service', async () => {
  const broken = await failure(
    calculator.map([1], () => {
      throw new Error('no such number');
    }),
  );
  assert.ok(broken instanceof GatewayError);
  const noMethod = await failure(calculator.map([1], { other() {} }));
  assert.equal(noMethod.code, 'unimplemented');
});

test('a listener hears of every change, with live objects, until it is cancelled', async () => {
  const { events, target } = listener();
  const subscription = await book.watch(target);
  const name = `Watched ${process.pid}`;
  const added = once(events, 'changed');
  await book.add({ name, phoneNumber: '1' });
  const [person, change] = await added;
  assert.deepEqual([person.name, person.phoneNumber, change], [name, '1', 'added']);
  const updated = once(events, 'changed');
  await person.updater.update({ phoneNumber: '2' });
  assert.deepEqual([(await updated)[0].phoneNumber, (await updated)[1]], ['2', 'updated']);
  await subscription.cancel();
  let late = 0;
  events.on('changed', () => late++);
  await person.updater.delete();
  assert.equal((await failure(book.find(name))).code, 'not_found');
  assert.equal(late, 0);
});

test('the gateway says when a service lets go of a callback', async () => {
  const other = await connect(demo.url, { WebSocket });
  const released = new Promise((resolve) => other.on('released', resolve));
  const subscription = await other.service('addressbook').watch({ changed() {} });
  await subscription.cancel();
  const { callback, code } = await released;
  assert.deepEqual([callback.replace(/^\w+-/, ''), code], ['c1', 'released']);
  other.close();
});

test('calls go into results that have not come yet', async () => {
  const name = `Chained ${process.pid}`;
  const updated = await book.add({ name }).updater.update({ phoneNumber: '5' });
  assert.equal(updated.phoneNumber, '5');
  assert.equal(await calculator.add(calculator.add(1, 2), 3), 6);
  assert.deepEqual(Object.keys(await book.find(name).updater.delete()), []);
});

test('a call ends at its timeout and at its abort', async () => {
  const never = () => new Promise(() => {});
  const late = await failure(calculator.$call('map', { values: [1], transform: never }, { timeout: 50 }));
  assert.equal(late.code, 'deadline_exceeded');
  const controller = new AbortController();
  const aborted = failure(calculator.$call('map', [[1], never], { signal: controller.signal }));
  await calculator.add(1, 1);
  controller.abort();
  assert.equal((await aborted).code, 'cancelled');
});

test('a message over the limit is refused by the client and the connection lives on', async () => {
  const error = await failure(book.find('x'.repeat(gateway.limits.max_message_bytes)));
  assert.equal(error.code, 'too_large');
  assert.equal(await calculator.add(1, 1), 2);
});

test('a session that is ended elsewhere is followed by a new one', async () => {
  const other = await connect(demo.url, { WebSocket });
  const ended = other.session;
  const reopened = new Promise((resolve) => other.on('state', (state) => state === 'open' && resolve()));
  const response = await fetch(`${demo.url}/api/session`, { method: 'DELETE', headers: { 'Session-Id': ended } });
  assert.equal(response.status, 204);
  await reopened;
  assert.notEqual(other.session, ended);
  assert.equal(await other.service('calculator').add(1, 2), 3);
  other.close();
});

test('a lost connection costs nothing: objects, calls under way and callbacks live on', async () => {
  const proxy = await startProxy(demo.url);
  const through = await connect(proxy.url, { WebSocket });
  const states = [];
  const reopened = new Promise((resolve) =>
    through.on('state', (state, { resumed }) => {
      states.push([state, resumed]);
      if (state === 'open') {
        resolve();
      }
    }),
  );
  const accumulator = await through.service('calculator').accumulator();
  let finish;
  let mapped;
  await new Promise((running) => {
    const wait = () => {
      running();
      return new Promise((resolve) => (finish = resolve));
    };
    mapped = through.service('calculator').map([1], wait);
  });
  proxy.cut();
  finish(42);
  assert.equal(await through.service('calculator').add(2, 2), 4);
  await reopened;
  assert.deepEqual(await mapped, [42]);
  assert.deepEqual(states, [
    ['reconnecting', undefined],
    ['open', true],
  ]);
  assert.equal(await accumulator.add(3), '3');
  through.close();
  proxy.stop();
});

test('a chain of three calls is one frame of the client', async () => {
  const frames = [];
  class Counted extends WebSocket {
    send(text) {
      frames.push(JSON.parse(text));
      super.send(text);
    }
  }
  const counted = await connect(demo.url, { WebSocket: Counted });
  const people = counted.service('addressbook');
  frames.length = 0;
  const name = `One frame ${process.pid}`;
  const deleted = people.add({ name }).updater.update({ phoneNumber: '1' }).updater.delete();
  assert.deepEqual(Object.keys(await deleted), []);
  assert.deepEqual(
    frames[0].map(({ method }) => method.replace(/#\w+-/, '#')),
    ['addressbook.add', '#1.updater.update', '#2.updater.delete'],
  );
  assert.equal(frames.filter((frame) => Array.isArray(frame) || !frame.method.startsWith('rpc.')).length, 1);
  counted.close();
});

test('a page and a script share a session', async () => {
  const other = await connect(demo.url, { WebSocket, session: gateway.session });
  assert.equal(other.session, gateway.session);
  other.close();
});
