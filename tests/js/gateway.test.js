// The connection as the user of the client sees it: its making, its loss, its end.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GatewayError } from '../../static/client/errors.js';
import { connect } from '../../static/client/index.js';
import { FakeClock, HELLO_RESULT, failure, fakeWebSocketClass, settle } from './fakes.js';
import { Scripted } from './scripted.js';

test('a callback in a call that was not sent yet is heard after the reconnect', async () => {
  const scripted = new Scripted();
  scripted.cut();
  const heard = [];
  scripted.gateway.service('a').watch((text) => heard.push(text));
  scripted.comeBack(0);
  await scripted.answers(1, null);
  scripted.says({ id: 'g:1', method: '!c1.changed', params: ['again'] });
  assert.deepEqual(heard, ['again']);
});

test('another page can take the stream over', async () => {
  const scripted = new Scripted();
  scripted.gateway.service('a').b();
  await scripted.answers(1, 'for nobody');
  const resume = JSON.parse(JSON.stringify(scripted.gateway.resumption));
  assert.deepEqual(resume, { session: 'secret-session', stream: 's1', received: 1 });
  const WebSocket = fakeWebSocketClass();
  const connecting = connect('http://host', { WebSocket, resume });
  await settle();
  WebSocket.latest.emit('open', {});
  const { params } = JSON.parse(WebSocket.latest.frames[0]);
  assert.deepEqual(params, {
    protocol: 1,
    unbox: true,
    session: 'secret-session',
    stream: 's1',
    received: 1,
    anew: true,
  });
  const result = { ...HELLO_RESULT, resumed: true, received: 1 };
  WebSocket.latest.emit('message', { data: JSON.stringify({ id: 0, result }) });
  const gateway = await connecting;
  const call = failure(gateway.service('a').b());
  await settle();
  assert.equal(JSON.parse(WebSocket.latest.frames.at(-1)).id, 2);
  gateway.close();
  assert.equal((await call).code, 'outcome_unknown');
});

test('a page that took a stream over gives its calls and callbacks names that the page before did not', async () => {
  const scripted = new Scripted();
  scripted.gateway.service('a').b(() => 'the first');
  await scripted.answers(1, null);
  const { resumption } = scripted.gateway;
  const WebSocket = fakeWebSocketClass();
  const connecting = connect('http://host', { WebSocket, resume: resumption });
  await settle();
  WebSocket.latest.emit('open', {});
  const result = { ...HELLO_RESULT, resumed: true, received: 1 };
  WebSocket.latest.emit('message', { data: JSON.stringify({ id: 0, result }) });
  const gateway = await connecting;
  const call = failure(gateway.service('a').b(() => 'the second'));
  await settle();
  assert.deepEqual(JSON.parse(WebSocket.latest.frames.at(-1)).params, [{ $callback: 'c1' }]);
  assert.match(WebSocket.prefix, /^[0-9a-z]+-$/);
  assert.notEqual(WebSocket.prefix, scripted.WebSocket.prefix);
  gateway.close();
  await call;
});

test('a session that is to be joined and is not there fails connect with its error', async () => {
  const WebSocket = fakeWebSocketClass();
  const connecting = connect('http://host', { WebSocket, session: 'theirs' });
  await settle();
  WebSocket.latest.emit('open', {});
  assert.equal(JSON.parse(WebSocket.latest.frames[0]).params.session, 'theirs');
  const error = { code: -32005, message: 'no such session', data: { code: 'not_found', reason: 'session' } };
  WebSocket.latest.emit('message', { data: JSON.stringify({ id: 0, error }) });
  assert.equal((await failure(connecting)).code, 'not_found');
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

test('there are no events of other names', () => {
  assert.throws(
    () => new Scripted().gateway.on('open', () => {}),
    /there is no event open; there are state, released, reset, error/,
  );
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

test('connect makes the socket address of a gateway address', async () => {
  for (const [url, expected] of [
    ['http://host:1', 'ws://host:1/ws'],
    ['https://host/', 'wss://host/ws'],
    ['ws://host/other', 'ws://host/other'],
    ['https://host/gw', 'wss://host/gw/ws'],
    ['https://host/gw/', 'wss://host/gw/ws'],
    ['wss://host/gw/', 'wss://host/gw/ws'],
    ['https://host/gw/ws', 'wss://host/gw/ws'],
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
  // Browsers say nothing else of a page that is not let in.
  globalThis.origin = 'http://localhost:5173';
  try {
    const refused = connect('http://host', { WebSocket });
    await settle();
    WebSocket.latest.emit('close', { code: 1006, reason: '' });
    assert.match((await failure(refused)).message, /reached \(1006\) from http:\/\/localhost:5173$/);
  } finally {
    delete globalThis.origin;
  }
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

/** A connect whose gateway is the test. */
function connecting(options = {}) {
  const WebSocket = fakeWebSocketClass();
  const clock = new FakeClock();
  const promise = connect('http://host', { WebSocket, clock, random: () => 1, ...options });
  promise.catch(() => {});
  const says = (message) => WebSocket.latest.emit('message', { data: JSON.stringify(message) });
  const open = async (result = HELLO_RESULT) => {
    await settle();
    WebSocket.latest.emit('open', {});
    await settle();
    says({ id: 0, result });
  };
  const refuse = async () => {
    await settle();
    WebSocket.latest.emit('close', { code: 1006, reason: '' });
  };
  return { promise, WebSocket, clock, says, open, refuse };
}

test('connect tries until the gateway can be reached, if it is asked to', async () => {
  const { promise, WebSocket, clock, open, refuse } = connecting({ retry: true });
  for (let attempt = 1; attempt < 5; attempt++) {
    await refuse();
    clock.advance(10_000);
    assert.equal(WebSocket.made.length, attempt + 1);
  }
  await open();
  assert.equal((await promise).state, 'open');
});

test('connect that tries until it can fails all the same with what will not change', async () => {
  const { promise, WebSocket, says } = connecting({ retry: true, token: 'wrong' });
  await settle();
  WebSocket.latest.emit('open', {});
  says({ id: 0, error: { code: -32016, message: 'wrong token', data: { code: 'unauthenticated' } } });
  assert.equal((await failure(promise)).code, 'unauthenticated');
});

test('a signal ends the attempt to connect, and nothing is left', async () => {
  const controller = new AbortController();
  const { promise, WebSocket, clock, refuse } = connecting({ retry: true, signal: controller.signal });
  await refuse();
  controller.abort('not needed');
  const error = await failure(promise);
  assert.deepEqual([error.code, error.cause], ['cancelled', 'not needed']);
  clock.advance(100_000);
  assert.deepEqual([WebSocket.made.length, clock.waiting], [1, 0]);
});

test('a signal that was given before opens nothing', async () => {
  const { promise, WebSocket } = connecting({ signal: AbortSignal.abort() });
  assert.equal((await failure(promise)).code, 'cancelled');
  assert.equal(WebSocket.made.length, 0);
});

test('a signal that comes when the connection stands leaves it alone', async () => {
  const controller = new AbortController();
  const { promise, open } = connecting({ signal: controller.signal });
  await open();
  const gateway = await promise;
  controller.abort();
  assert.equal(gateway.state, 'open');
});

test('a token is asked for at each connection, and a refused one at the end of its time', async () => {
  const tokens = ['first', 'second', 'third'];
  const { promise, WebSocket, clock, open, refuse } = connecting({ token: async () => tokens.shift() });
  await open();
  const gateway = await promise;
  const said = () => JSON.parse(WebSocket.latest.frames[0]).params.token;
  assert.equal(said(), 'first');
  WebSocket.latest.emit('close', { code: 4401, reason: 'the token is over' });
  assert.equal(gateway.state, 'reconnecting');
  clock.advance(200);
  await refuse();
  clock.advance(200);
  await open({ ...HELLO_RESULT, resumed: true });
  assert.equal(said(), 'second');
  assert.equal(gateway.state, 'open');
});

test('a new token that is refused as well is the end, and says why', async () => {
  const tokens = ['first', 'forged'];
  const { promise, WebSocket, clock, open, says } = connecting({ token: () => tokens.shift() });
  await open();
  const gateway = await promise;
  const told = [];
  gateway.on('state', (state, { error }) => told.push([state, error?.code, error?.message]));
  const unsent = gateway.service('calculator').add(2, 5);
  WebSocket.latest.emit('close', { code: 4401, reason: 'the credentials have expired' });
  clock.advance(200);
  await settle();
  WebSocket.latest.emit('open', {});
  await settle();
  says({ id: 0, error: { code: -32016, message: 'nobody has this key', data: { code: 'unauthenticated' } } });
  WebSocket.latest.emit('close', { code: 4401, reason: 'nobody has this key' });
  assert.deepEqual(told, [
    ['reconnecting', undefined, undefined],
    ['closed', 'unauthenticated', 'nobody has this key'],
  ]);
  assert.equal((await failure(unsent)).code, 'unavailable');
  clock.advance(100_000);
  assert.deepEqual([WebSocket.made.length, clock.waiting], [2, 0]);
});

test('a token that comes too late for one connection is said over the next', async () => {
  let give;
  const { promise, WebSocket, clock, open } = connecting({
    token: () => new Promise((resolve) => (give = resolve)),
    retry: true,
  });
  await settle();
  WebSocket.latest.emit('open', {});
  WebSocket.latest.emit('close', { code: 4401, reason: 'nothing said within 10 s who this is' });
  clock.advance(200);
  await settle();
  WebSocket.latest.emit('open', {});
  await settle();
  give('late');
  await settle();
  assert.equal(JSON.parse(WebSocket.latest.frames[0]).params.token, 'late');
  await open();
  assert.equal((await promise).state, 'open');
});

test('connect fails with why there is no token', async () => {
  const { promise, WebSocket } = connecting({
    token: async () => {
      throw new Error('logged out');
    },
  });
  await settle();
  WebSocket.latest.emit('open', {});
  const error = await failure(promise);
  assert.deepEqual([error.code, error.message], ['unauthenticated', 'there is no token: Error: logged out']);
});

const RESUME = { session: 'old', stream: 's7', received: 3 };

for (const [code, status] of [
  [-32005, 'not_found'],
  [-32602, 'invalid_argument'],
]) {
  test(`a stream to go on with that is refused as ${status} is replaced, and the first listener hears why`, async () => {
    const { promise, WebSocket, says, open } = connecting({ resume: RESUME });
    await settle();
    WebSocket.latest.emit('open', {});
    says({ id: 0, error: { code, message: 'that many were never sent', data: { code: status } } });
    await settle();
    assert.deepEqual(JSON.parse(WebSocket.latest.frames[1]).params, { protocol: 1, unbox: true });
    says({ id: 0, result: HELLO_RESULT });
    const gateway = await promise;
    const resets = [];
    gateway.on('reset', (reset) => resets.push(reset));
    await settle();
    gateway.on('reset', (reset) => resets.push(reset));
    await settle();
    const reason = 'the gateway does not have the stream any more (that many were never sent)';
    assert.deepEqual(resets, [{ reason, sameSession: false }]);
    assert.ok(open);
  });
}

for (const resume of [{}, { session: 'old' }, { ...RESUME, received: '3' }, { ...RESUME, received: -1 }, 'text', 5]) {
  test(`the resumption ${JSON.stringify(resume)} is none: a new session begins, and is told`, async () => {
    const { promise, WebSocket, open } = connecting({ resume });
    await open();
    assert.deepEqual(JSON.parse(WebSocket.latest.frames[0]).params, { protocol: 1, unbox: true });
    const resets = [];
    (await promise).on('reset', ({ sameSession }) => resets.push(sameSession));
    await settle();
    assert.deepEqual(resets, [false]);
  });
}

test('no resumption is no reset', async () => {
  const { promise, open } = connecting({ resume: null });
  await open();
  const gateway = await promise;
  gateway.on('reset', () => assert.fail('reset'));
  await settle();
});

test('an answer to a call of the page before is not that of this one, whatever its number', async () => {
  const before = new Scripted();
  const lost = before.gateway.service('a').number();
  lost.catch(() => {});
  await settle();
  const { promise, WebSocket, says, open } = connecting({ resume: before.gateway.resumption, random: () => 0.5 });
  await open({ ...HELLO_RESULT, resumed: true, received: 1 });
  const gateway = await promise;
  const call = gateway.service('a').number();
  await settle();
  says({ id: `${before.WebSocket.prefix}1`, result: 'of the page before' });
  says({ id: `${before.WebSocket.prefix}2`, result: 'of the page before' });
  says({ id: 2, result: 'of this page' });
  assert.equal(await call, 'of this page');
  assert.notEqual(before.WebSocket.prefix, WebSocket.prefix);
});

test('a page that another took the stream from goes on with one of its own', async () => {
  const { promise, WebSocket, clock, says, open } = connecting();
  await open();
  const gateway = await promise;
  const heard = [];
  gateway.on('reset', ({ sameSession }) => heard.push(['reset', sameSession]));
  gateway.on('state', (state, { resumed }) => heard.push([state, resumed]));
  const sent = gateway.service('a').b();
  await settle();
  const unsent = gateway.service('a').c();
  WebSocket.latest.emit('close', { code: 4001, reason: 'another socket goes on' });
  assert.equal((await failure(sent)).code, 'outcome_unknown');
  clock.advance(200);
  await open({ ...HELLO_RESULT, stream: 's2' });
  assert.deepEqual(JSON.parse(WebSocket.latest.frames[0]).params, {
    protocol: 1,
    unbox: true,
    session: 'secret-session',
  });
  await settle();
  says({ id: 2, result: 'after' });
  assert.equal(await unsent, 'after');
  assert.deepEqual(heard, [
    ['reconnecting', undefined],
    ['reset', true],
    ['open', false],
  ]);
  assert.equal(gateway.resumption.stream, 's2');
});

test('a session that ended with the stream that was taken is replaced, too', async () => {
  const { promise, WebSocket, clock, says, open } = connecting();
  await open();
  const gateway = await promise;
  const resets = [];
  gateway.on('reset', ({ sameSession }) => resets.push(sameSession));
  WebSocket.latest.emit('close', { code: 4001, reason: '' });
  clock.advance(200);
  await settle();
  WebSocket.latest.emit('open', {});
  says({ id: 0, error: { code: -32005, message: 'no such session', data: { code: 'not_found' } } });
  await settle();
  says({ id: 0, result: { ...HELLO_RESULT, session: 'another' } });
  assert.deepEqual([resets, gateway.session, gateway.state], [[false], 'another', 'open']);
});
