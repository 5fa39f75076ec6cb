import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Transport, backoffDelay } from '../../static/client/transport.js';
import { FakeClock, fakeWebSocketClass } from './fakes.js';

function start({ again = true } = {}) {
  const clock = new FakeClock();
  const WebSocket = fakeWebSocketClass();
  const log = [];
  const events = {
    opened: (socket) => log.push(['opened', socket]),
    received: (text) => log.push(['received', text]),
    lost: (code, reason) => {
      log.push(['lost', code, reason]);
      return again;
    },
  };
  const transport = new Transport('ws://gateway/ws', WebSocket, events, clock, () => 1);
  transport.start();
  return { clock, WebSocket, log, transport };
}

test('delays double up to a bound, and half of each is chance', () => {
  assert.deepEqual(
    [0, 1, 2, 5, 6, 1000].map((attempt) => backoffDelay(attempt, 1)),
    [100, 200, 400, 3200, 6400, 10000],
  );
  assert.equal(backoffDelay(1, 0), 100);
});

test('text is handed on in both directions', () => {
  const { WebSocket, log } = start();
  const socket = WebSocket.latest;
  socket.emit('open', {});
  log[0][1].send('hello');
  socket.emit('message', { data: 'there' });
  assert.deepEqual(socket.frames, ['hello']);
  assert.deepEqual(log[1], ['received', 'there']);
});

test('a lost socket is replaced after growing waits', () => {
  const { clock, WebSocket } = start();
  const waits = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    const before = clock.time;
    const made = WebSocket.made.length;
    WebSocket.latest.emit('close', { code: 1006, reason: '' });
    while (WebSocket.made.length === made) {
      clock.advance(50);
    }
    waits.push(clock.time - before);
  }
  assert.deepEqual(waits, [100, 200, 400, 800]);
});

test('a socket that proved good starts the waits anew', () => {
  const { clock, WebSocket, transport } = start();
  for (let attempt = 0; attempt < 3; attempt++) {
    WebSocket.latest.emit('close', { code: 1006, reason: '' });
    clock.advance(10_000);
  }
  WebSocket.latest.emit('open', {});
  transport.proved();
  WebSocket.latest.emit('close', { code: 1006, reason: '' });
  const made = WebSocket.made.length;
  clock.advance(100);
  assert.equal(WebSocket.made.length, made + 1);
});

test('no other socket is opened when the listener says so', () => {
  const { clock, WebSocket } = start({ again: false });
  WebSocket.latest.emit('close', { code: 4001, reason: 'replaced' });
  clock.advance(100_000);
  assert.equal(WebSocket.made.length, 1);
});

test('a socket that does not open in time is given up', () => {
  const { clock, WebSocket, log } = start();
  clock.advance(15_000);
  assert.equal(log[0][0], 'lost');
  assert.equal(WebSocket.made[0].closed.code, 4000);
});

test('a late close of a socket that was given up is not a second loss', () => {
  const { WebSocket, log } = start({ again: false });
  WebSocket.latest.emit('open', {});
  log[0][1].close(4000, 'enough');
  WebSocket.latest.emit('close', { code: 1006, reason: '' });
  WebSocket.latest.emit('message', { data: 'late' });
  assert.deepEqual(log.slice(1), [['lost', 4000, 'enough']]);
});

test('a binary frame ends the socket', () => {
  const { WebSocket, log } = start();
  WebSocket.latest.emit('open', {});
  WebSocket.latest.emit('message', { data: new ArrayBuffer(1) });
  assert.deepEqual(log[1].slice(0, 2), ['lost', 4000]);
});

test('stop closes the socket and ends the wait for another', () => {
  const { clock, WebSocket, log, transport } = start();
  WebSocket.latest.emit('close', { code: 1006, reason: '' });
  transport.stop(1000, '');
  clock.advance(100_000);
  assert.equal(WebSocket.made.length, 1);
  assert.equal(log.length, 1);
  assert.equal(clock.waiting, 0);
});
