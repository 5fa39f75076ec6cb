// The client as its user sees it, against a scripted gateway at the other end of a fake socket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import v8 from 'node:v8';
import vm from 'node:vm';

import { GatewayError } from '../../static/client/errors.js';
import { Gateway } from '../../static/client/gateway.js';
import { connect } from '../../static/client/index.js';
import { FakeClock, HELLO_RESULT, failure, fakeWebSocketClass, messagesOf, settle } from './fakes.js';

v8.setFlagsFromString('--expose-gc');
const collectGarbage = vm.runInNewContext('gc');

class Scripted {
  clock = new FakeClock();
  WebSocket = fakeWebSocketClass();

  constructor() {
    this.gateway = new Gateway('ws://gateway/ws', this.WebSocket, { clock: this.clock, random: () => 1 });
    this.accept();
  }

  accept(hello = HELLO_RESULT) {
    this.WebSocket.latest.emit('open', {});
    this.says({ id: 0, result: hello });
    this.WebSocket.latest.frames = [];
  }

  says(message) {
    this.WebSocket.latest.emit('message', { data: JSON.stringify({ jsonrpc: '2.0', ...message }) });
  }

  async answers(id, result) {
    await settle();
    this.says({ id, result });
    await settle();
  }

  async fails(id, code, message = code) {
    await settle();
    this.says({ id, error: { code: -32002, message, data: { code, detail: message } } });
    await settle();
  }

  get written() {
    return messagesOf(this.WebSocket.latest.frames).map(({ jsonrpc: _, ...message }) => message);
  }

  async sent() {
    await settle();
    return this.written.map(({ method, params }) => [method, params]);
  }
}

const handle = (token, name = 'Calculator.Value') => ({ $handle: token, interface: name });

/** A returned object, live on a scripted gateway. */
async function returned(token = 't1') {
  const scripted = new Scripted();
  const call = scripted.gateway.service('calculator').value(7);
  await scripted.answers(1, handle(token));
  const object = await call;
  scripted.WebSocket.latest.frames = [];
  return { scripted, object };
}

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

test('a missing method, a missing callback and a failing one are answered as errors', async () => {
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
  assert.deepEqual(heard, [{ callback: 'c1', code: 'ok', reason: 'dropped' }]);
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

test('after a reconnect calls work, objects and callbacks of before do not, and the page is told', async () => {
  const { scripted, object } = await returned();
  const states = [];
  scripted.gateway.on('state', (state, details) => states.push([state, details.resumed]));
  scripted.gateway.service('a').watch(() => {});
  await scripted.answers(2, null);
  scripted.WebSocket.latest.emit('close', { code: 1006, reason: '' });
  assert.equal(scripted.gateway.state, 'reconnecting');
  const waiting = scripted.gateway.service('calculator').add(1, 2);
  const stale = await failure(object.read());
  assert.equal(stale.code, 'not_found');
  scripted.clock.advance(200);
  scripted.accept();
  await scripted.answers(3, 3);
  assert.equal(await waiting, 3);
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

test('a callback in a call that was not sent yet survives the reconnect', async () => {
  const scripted = new Scripted();
  scripted.WebSocket.latest.emit('close', { code: 1006, reason: '' });
  const heard = [];
  scripted.gateway.service('a').watch((text) => heard.push(text));
  scripted.WebSocket.latest.emit('close', { code: 1006, reason: '' });
  scripted.clock.advance(200);
  scripted.accept();
  assert.deepEqual(await scripted.sent(), []);
  scripted.says({ id: 'g:1', method: '!c1.changed', params: ['again'] });
  assert.deepEqual(heard, ['again']);
});

test('a listener of events can be removed and one that fails harms nobody', async (t) => {
  const scripted = new Scripted();
  const heard = [];
  const stop = scripted.gateway.on('state', () => heard.push('removed'));
  stop();
  scripted.gateway.on('state', () => {
    throw new Error('the listener failed');
  });
  scripted.gateway.on('state', (state) => heard.push(state));
  const microtasks = t.mock.method(globalThis, 'queueMicrotask', () => {});
  scripted.gateway.close();
  assert.deepEqual(heard, ['closed']);
  // The error is thrown where the platform reports it.
  assert.throws(microtasks.mock.calls.at(-1).arguments[0], /the listener failed/);
});

test('after close nothing is opened and calls fail', async () => {
  const scripted = new Scripted();
  scripted.gateway.close();
  scripted.clock.advance(100_000);
  assert.equal(scripted.WebSocket.made.length, 1);
  assert.equal(scripted.gateway.state, 'closed');
  assert.equal((await failure(scripted.gateway.service('a').b())).code, 'failed_precondition');
  assert.equal(scripted.clock.waiting, 0);
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

test('connect makes the socket address of a gateway address', async () => {
  for (const [url, expected] of [
    ['http://host:1', 'ws://host:1/ws'],
    ['https://host/', 'wss://host/ws'],
    ['ws://host/other', 'ws://host/other'],
    [new URL('https://host/ws?x=1#y'), 'wss://host/ws?x=1'],
  ]) {
    const WebSocket = fakeWebSocketClass();
    const connecting = connect(url, { WebSocket });
    await settle();
    assert.equal(WebSocket.latest.url, expected);
    WebSocket.latest.emit('open', {});
    WebSocket.latest.emit('message', { data: JSON.stringify({ id: 0, result: HELLO_RESULT }) });
    const gateway = await connecting;
    assert.equal(gateway.state, 'open');
    assert.equal(gateway.session, 'secret-session');
    assert.deepEqual(gateway.limits, { max_message_bytes: 1000 });
    gateway.close();
    assert.equal(WebSocket.latest.closed.code, 1000);
  }
});

test('connect without an address needs a page', async () => {
  assert.match((await failure(connect(undefined, { WebSocket: fakeWebSocketClass() }))).message, /needs the address/);
});

test('connect fails at once when the gateway cannot be reached', async () => {
  const WebSocket = fakeWebSocketClass();
  const connecting = connect('http://host', { WebSocket });
  await settle();
  WebSocket.latest.emit('error', {});
  WebSocket.latest.emit('close', { code: 1006, reason: '' });
  const error = await failure(connecting);
  assert.ok(error instanceof GatewayError);
  assert.equal(error.code, 'unavailable');
  assert.equal(WebSocket.made.length, 1);
});

test('connect fails with what the gateway says to hello', async () => {
  const WebSocket = fakeWebSocketClass();
  const connecting = connect('http://host', { WebSocket, token: 'wrong' });
  await settle();
  WebSocket.latest.emit('open', {});
  const error = { code: -32016, message: 'wrong token', data: { code: 'unauthenticated' } };
  WebSocket.latest.emit('message', { data: JSON.stringify({ id: 0, error }) });
  assert.equal((await failure(connecting)).code, 'unauthenticated');
  assert.equal(WebSocket.made.length, 1);
});
