// Connections that are dead without anybody having closed them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Heartbeat } from '../../static/client/heartbeat.js';
import { FakeClock } from './fakes.js';
import { Scripted } from './scripted.js';

class Watched {
  clock = new FakeClock();
  log = [];
  unsent = 0;

  constructor() {
    this.heartbeat = new Heartbeat(this.clock, {
      ask: () => this.log.push(['asked', this.clock.time]),
      unsent: () => this.unsent,
      lost: () => this.log.push(['lost', this.clock.time]),
    });
    this.heartbeat.start();
  }
}

test('after 10 s without a message a sign of life is asked for, and 5 s later the connection is lost', () => {
  const watched = new Watched();
  watched.clock.advance(60_000);
  assert.deepEqual(watched.log, [
    ['asked', 10_000],
    ['lost', 15_000],
  ]);
  assert.equal(watched.clock.waiting, 0);
});

test('a connection on which something comes is left alone', () => {
  const watched = new Watched();
  for (let second = 0; second < 60; second += 9) {
    watched.heartbeat.heard();
    watched.clock.advance(9_000);
  }
  assert.deepEqual(watched.log, []);
});

test('an answer keeps the connection, and the next silence is asked about again', () => {
  const watched = new Watched();
  watched.clock.advance(12_000);
  watched.heartbeat.heard();
  watched.clock.advance(9_900);
  assert.deepEqual(watched.log, [['asked', 10_000]]);
  watched.clock.advance(1_100);
  assert.equal(watched.log.length, 2);
});

test('what leaves this machine is a sign of life', () => {
  const watched = new Watched();
  watched.unsent = 5_000_000;
  for (let second = 0; second < 60; second++) {
    watched.clock.advance(1_000);
    watched.unsent -= 10_000;
  }
  assert.ok(watched.log.every(([what]) => what === 'asked'));
  watched.clock.advance(20_000);
  assert.equal(watched.log.at(-1)[0], 'lost');
});

test('each loss without progress doubles the patience, up to a minute; a message ends that', () => {
  const watched = new Watched();
  const patience = () => {
    watched.log = [];
    watched.heartbeat.start();
    watched.clock.advance(100_000);
    const [[, asked], [, lost]] = watched.log;
    return (lost - asked) / 1000;
  };
  assert.deepEqual(Array.from({ length: 6 }, patience), [5, 10, 20, 40, 60, 60]);
  watched.heartbeat.heard();
  assert.equal(patience(), 5);
});

test('a timer that is late asks again before it gives up, but only once', () => {
  const watched = new Watched();
  watched.clock.advance(10_000);
  watched.clock.sleep(3_600_000);
  assert.deepEqual(
    watched.log.map(([what]) => what),
    ['asked', 'asked'],
  );
  watched.clock.sleep(3_600_000);
  assert.deepEqual(
    watched.log.map(([what]) => what),
    ['asked', 'asked', 'lost'],
  );
});

test('a page that slept asks, and what waits behind the timer counts', () => {
  const watched = new Watched();
  watched.clock.sleep(3_600_000);
  watched.heartbeat.heard();
  watched.clock.advance(9_000);
  assert.deepEqual(
    watched.log.map(([what]) => what),
    ['asked'],
  );
});

test('a dead connection is given up for another, over which the call is answered', async () => {
  const scripted = new Scripted();
  const states = [];
  scripted.gateway.on('state', (state, { reason }) => states.push([state, reason]));
  const call = scripted.gateway.service('a').b();
  await scripted.sent();
  scripted.clock.advance(10_000);
  assert.deepEqual((await scripted.sent()).at(-1), ['rpc.ping', {}]);
  scripted.clock.advance(5_000);
  assert.deepEqual(states, [['reconnecting', 'no sign of life']]);
  scripted.comeBack(0);
  await scripted.answers(1, 'late');
  assert.equal(await call, 'late');
  scripted.gateway.close();
  assert.equal(scripted.clock.waiting, 0);
});
