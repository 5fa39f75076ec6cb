// The connection as the user of the client sees it: its making, its loss, its end.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GatewayError } from '../../static/client/errors.js';
import { connect } from '../../static/client/index.js';
import { HELLO_RESULT, failure, fakeWebSocketClass, settle } from './fakes.js';
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
  assert.deepEqual(resume, { session: 'secret-session', stream: 's1', received: 1, lastId: 1, lastCallback: 0 });
  const WebSocket = fakeWebSocketClass();
  const connecting = connect('http://host', { WebSocket, resume });
  await settle();
  WebSocket.latest.emit('open', {});
  const { params } = JSON.parse(WebSocket.latest.frames[0]);
  assert.deepEqual(params, { protocol: 1, unbox: true, session: 'secret-session', stream: 's1', received: 1 });
  const result = { ...HELLO_RESULT, resumed: true, received: 1 };
  WebSocket.latest.emit('message', { data: JSON.stringify({ id: 0, result }) });
  const gateway = await connecting;
  const call = failure(gateway.service('a').b());
  await settle();
  assert.equal(JSON.parse(WebSocket.latest.frames.at(-1)).id, 2);
  gateway.close();
  assert.equal((await call).code, 'outcome_unknown');
});

test('a page that took a stream over gives its callbacks names that the page before did not', async () => {
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
  assert.deepEqual(JSON.parse(WebSocket.latest.frames.at(-1)).params, [{ $callback: 'c2' }]);
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
    /there is no event open; there are state and released/,
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
