// What the platform says about the network, and what the connection makes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { watchNetwork } from '../../static/client/network.js';
import { Transport } from '../../static/client/transport.js';
import { FakeClock, fakeWebSocketClass } from './fakes.js';

/** A browser's window, as far as it is listened to. */
function fakePage() {
  const page = new EventTarget();
  page.document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  return page;
}

function watched(page) {
  const log = [];
  const forget = watchNetwork({ back: () => log.push('back'), changed: () => log.push('changed') }, page);
  return { log, forget };
}

test('a page that is online again tries at once, and does not trust a socket of before', () => {
  const page = fakePage();
  const { log } = watched(page);
  page.dispatchEvent(new Event('offline'));
  assert.deepEqual(log, []);
  page.dispatchEvent(new Event('online'));
  assert.deepEqual(log, ['changed', 'back']);
  page.dispatchEvent(new Event('online'));
  assert.deepEqual(log, ['changed', 'back', 'back']);
});

test('a page that is looked at again tries at once, one that is hidden does not', () => {
  const page = fakePage();
  const { log } = watched(page);
  page.document.visibilityState = 'hidden';
  page.document.dispatchEvent(new Event('visibilitychange'));
  page.document.visibilityState = 'visible';
  page.document.dispatchEvent(new Event('visibilitychange'));
  assert.deepEqual(log, ['back']);
});

test('after the end nothing is listened to', () => {
  const page = fakePage();
  const { log, forget } = watched(page);
  forget();
  page.dispatchEvent(new Event('offline'));
  page.dispatchEvent(new Event('online'));
  page.document.dispatchEvent(new Event('visibilitychange'));
  assert.deepEqual(log, []);
});

test('without a page there is nothing to listen to', () => {
  const { log, forget } = watched({});
  forget();
  assert.deepEqual(log, []);
});

function transport() {
  const clock = new FakeClock();
  const WebSocket = fakeWebSocketClass();
  const lost = [];
  const events = {
    opened: () => {},
    received: () => {},
    lost: (code) => {
      lost.push(code);
      return true;
    },
  };
  const made = new Transport('ws://x', WebSocket, events, clock, () => 1);
  made.start();
  return { clock, WebSocket, lost, transport: made };
}

test('a wait can be cut short', () => {
  const { clock, WebSocket, transport: made } = transport();
  WebSocket.latest.emit('close', { code: 1006, reason: '' });
  assert.equal(WebSocket.made.length, 1);
  made.hurry();
  assert.equal(WebSocket.made.length, 2);
  made.hurry();
  clock.advance(10_000);
  assert.equal(WebSocket.made.length, 2);
});

test('an open socket can be given up for another, one that is opening is left alone', () => {
  const { clock, WebSocket, lost, transport: made } = transport();
  made.renew('no life');
  assert.deepEqual(lost, []);
  WebSocket.latest.emit('open', {});
  made.renew('no life');
  assert.equal(WebSocket.latest.closed.code, 3000);
  assert.deepEqual(lost, [3000]);
  made.renew('no life');
  clock.advance(200);
  assert.equal(WebSocket.made.length, 2);
  assert.deepEqual(lost, [3000]);
});
