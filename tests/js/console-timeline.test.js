// The console without a page: what its desk enters in the timeline, keeps, and answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Desk } from '../../static/console/desk.js';
import { plotOf } from '../../static/console/latency.js';
import { callLabel, objectLabel } from '../../static/console/objects.js';
import { MASK } from '../../static/console/secrets.js';
import { Timeline } from '../../static/console/timeline.js';
import { GatewayError } from '../../static/client/errors.js';

const text = (name, more = {}) => ({ name, type: 'Text', shape: { kind: 'text' }, ...more });
const updater = { name: 'updater', type: 'Updater', shape: { kind: 'interface', name: 'Updater' } };
const find = {
  name: 'find',
  signature: '',
  params: [text('name')],
  results: [{ name: 'person', type: 'Person', shape: { kind: 'struct', name: 'Person' } }],
};
const open = {
  name: 'open',
  signature: '',
  params: [text('pin', { sensitive: true })],
  results: [text('pin', { sensitive: true })],
};
const watch = {
  name: 'watch',
  signature: '',
  params: [{ name: 'listener', type: 'Listener', shape: { kind: 'interface', name: 'Listener' } }],
  results: [],
};
const changed = { name: 'changed', signature: '', params: [text('secret', { sensitive: true }), updater], results: [] };
const ask = { name: 'ask', signature: '', params: [text('what')], results: [text('word')] };
const DESCRIPTION = {
  interface: 'Book',
  methods: [find, open, watch],
  structs: {
    Person: {
      fields: [text('name'), updater, { name: 'any', type: 'Json.Value', shape: { kind: 'json' } }],
      union: [],
    },
  },
  enums: {},
  interfaces: { Listener: { methods: [changed, ask] } },
};

/** A desk whose connection is the test. */
function deskFor() {
  const told = [];
  const timeline = new Timeline((what, entries) => told.push([what, ...entries.map(({ n }) => n)]));
  let time = 1000;
  const desk = new Desk({
    timeline,
    describe: async () => DESCRIPTION,
    prefix: 'p-',
    objectsChanged: () => {},
    callbacksChanged: () => {},
    now: () => (time += 5),
  });
  const calls = [];
  const released = [];
  desk.connection = {
    generation: 0,
    limits: { callback_timeout_s: 65 },
    call: (method, params, options, sink) => {
      const id = `p-${calls.length + 1}`;
      calls.push({ id, method, params, options, sink });
      return id;
    },
    release: (token, count) => released.push([token, count]),
  };
  const wire = desk.wireEvents;
  const make = (method, params, more = {}) =>
    desk.call({ callee: { service: 'book' }, method, description: DESCRIPTION, params, ...more });
  const write = ({ id, method, params }) => {
    const message = { jsonrpc: '2.0', id, method, params };
    wire.called(id, JSON.stringify(message), message);
  };
  const answer = ({ id, sink }, outcome) => {
    const message = { jsonrpc: '2.0', id, ...outcome };
    wire.answer(id, JSON.stringify(message), message);
    if (outcome.error) {
      sink.reject(new GatewayError(outcome.error.data.code, outcome.error.message, { path: outcome.error.data.path }));
    } else {
      sink.resolve(outcome.result);
    }
  };
  const request = (id, method, params) => {
    const message = { jsonrpc: '2.0', id, method, params };
    wire.request(id, JSON.stringify(message), message);
    const [, name, member] = /^!([^.]+)\.(.+)$/.exec(method);
    return desk.answers.run(name, member, params, () => new AbortController().signal);
  };
  return { desk, timeline, told, calls, released, make, write, answer, request, wire };
}

test('a call is entered with what was really sent and answered', async () => {
  const { calls, make, write, answer, timeline } = deskFor();
  const { entry, done } = make(find, { name: 'Ann' }, { timeout_ms: 500, meta: { request_id: 'r' } });
  assert.deepEqual([entry.status, entry.title, entry.place], ['waiting', 'book.find("Ann")', 'book.find']);
  assert.equal(calls[0].method, 'book.find');
  assert.deepEqual([calls[0].options.timeout, calls[0].options.meta], [500, { request_id: 'r' }]);
  write(calls[0]);
  answer(calls[0], { result: { name: 'Ann' } });
  await done;
  assert.equal(entry.status, 'ok');
  assert.equal(entry.sent, '{"jsonrpc":"2.0","id":"p-1","method":"book.find","params":{"name":"Ann"}}');
  assert.equal(entry.receivedBytes, entry.received.length);
  assert.deepEqual(timeline.entries, [entry]);
});

test('an object in an answer is named by where it came from, and one that only looks so is data', async () => {
  const { desk, calls, make, answer, released } = deskFor();
  const handle = (token) => ({ $handle: token, interface: 'Updater' });
  const { done } = make(find, { name: 'Ann' });
  answer(calls[0], { result: { name: 'Ann', updater: handle('t1'), any: handle('t2') } });
  await done;
  assert.deepEqual(
    desk.objects.list().map(({ token, label, service }) => [token, label, service]),
    [['t1', 'find("Ann").updater', 'book']],
  );
  const again = make(find, { name: 'Ann' });
  answer(calls[1], { result: { updater: handle('t1') } });
  await again.done;
  const object = desk.objects.numbered(1);
  const call = desk.call({ callee: { service: 'book', object }, method: find, description: DESCRIPTION, params: {} });
  assert.equal(call.entry.title, 'find("Ann").updater.find()');
  assert.equal(calls[2].method, '@t1.find');
  desk.release(object);
  assert.deepEqual(released, [['t1', 2]]);
});

test('secrets are sent, and stand in no entry', async () => {
  const { desk, calls, make, write, answer, timeline } = deskFor();
  const { entry, done } = make(open, { pin: 'hunter2' });
  assert.deepEqual(calls[0].params, { pin: 'hunter2' });
  write(calls[0]);
  answer(calls[0], { result: 'hunter2' });
  await done;
  assert.equal(entry.result, MASK);
  assert.deepEqual(entry.secrets, ['$.pin']);
  const other = make(open, { pin: 'hunter2' });
  answer(calls[1], { error: { message: 'hunter2 is wrong', data: { code: 'aborted', detail: 'hunter2 is wrong' } } });
  await other.done;
  assert.equal(other.entry.message, `${MASK} is wrong`);
  assert.ok(!JSON.stringify(timeline.entries).includes('hunter2'));
  assert.deepEqual(desk.orderOf(entry).params, { pin: 'hunter2' });
});

test('an error has its place, and a call without a connection is told so', async () => {
  const { desk, calls, make, answer } = deskFor();
  const { entry, done } = make(find, { name: 'x' });
  answer(calls[0], { error: { message: 'no', data: { code: 'invalid_argument', path: '$.name' } } });
  await done;
  assert.deepEqual([entry.status, entry.path, entry.message], ['invalid_argument', '$.name', 'no']);
  desk.connection = undefined;
  const other = make(find, {});
  await other.done;
  assert.equal(other.entry.status, 'unavailable');
});

test('a callback is answered by its rule, and its arguments are entered without secrets', async () => {
  const { desk, timeline, request, wire } = deskFor();
  const rules = { ask: { how: 'value', text: '{"word": "yes"}' } };
  const { name } = desk.callbacks.make(
    { label: 'watch.listener', service: 'book', interfaceName: 'Listener', rules },
    '',
  );
  assert.equal(name, 'p-1-listener');
  assert.deepEqual(await request('g:1', `!${name}.ask`, ['?']), { result: 'yes', callbacks: [] });
  const reply = { jsonrpc: '2.0', id: 'g:1', result: 'yes' };
  wire.replied('g:1', JSON.stringify(reply), reply);
  assert.equal(timeline.entries[0].status, 'ok');
  assert.equal(timeline.entries[0].title, 'watch.listener.ask("?")');
  const handle = { $handle: 't3', interface: 'Updater' };
  assert.deepEqual(await request('g:2', `!${name}.changed`, ['hunter2', handle]), { result: null, callbacks: [] });
  assert.ok(!JSON.stringify(timeline.entries).includes('hunter2'));
  assert.deepEqual(timeline.entries[1].params, { secret: MASK, updater: handle });
  assert.equal(desk.objects.get('t3').label, `watch.listener.changed("${MASK}", object).updater`);
});

test('a callback that asks waits for somebody, who may answer or refuse', async () => {
  const { desk, request, wire, timeline } = deskFor();
  const { name } = desk.callbacks.make({ label: 'l', service: 'book', interfaceName: 'Listener', rules: {} }, 'mine');
  assert.equal(name, 'mine');
  const answered = request('g:1', `!${name}.ask`, ['?']);
  await new Promise(setImmediate);
  const [waiting] = desk.callbacks.asks;
  assert.deepEqual([waiting.method, waiting.args, waiting.until - timeline.entries[0].at], ['ask', ['?'], 65_000]);
  waiting.answer({ word: 'fine' });
  assert.deepEqual(await answered, { result: 'fine', callbacks: [] });
  const refused = request('g:2', `!${name}.ask`, ['?']);
  await new Promise(setImmediate);
  desk.callbacks.asks[0].fail(new Error('no'));
  await assert.rejects(refused, /no/);
  const gone = request('g:3', `!${name}.ask`, ['?']);
  gone.catch(() => {});
  await new Promise(setImmediate);
  wire.calledOff('g:3');
  assert.deepEqual(desk.callbacks.asks, []);
  assert.equal(timeline.entries[2].status, 'cancelled');
  await assert.rejects(request('g:4', '!other.ask', []), /no callback other/);
  request('g:5', `!${name}.ask`, ['?']).catch(() => {});
  await new Promise(setImmediate);
  assert.equal(timeline.entries.at(-1).status, 'waiting');
  desk.answers.lose();
  assert.match(timeline.entries.at(-1).message, /session was lost/);
});

test('a callback is waited for no longer than the call that passed it', async () => {
  const { desk, make, request } = deskFor();
  desk.connection.limits = { callback_timeout_s: 65, default_call_timeout_s: 30, max_call_timeout_s: 300 };
  const left = [];
  for (const [timeout_ms, timeout_s] of [
    [undefined, undefined],
    [5_000, 20],
    [undefined, 20],
    [500_000, undefined],
  ]) {
    const callback = desk.callbacks.make({ label: 'l', service: 'book', interfaceName: 'Listener', rules: {} }, '');
    const { entry } = make({ ...find, timeout_s }, {}, { timeout_ms, callbacks: [callback] });
    request(`g:${left.length}`, `!${callback.name}.ask`, ['?']).catch(() => {});
    await new Promise(setImmediate);
    left.push(desk.callbacks.asks.at(-1).until - entry.at);
  }
  // Of the last one, whose call may take longer, the bound of callbacks counts, from when it was called.
  assert.deepEqual(left, [30_000, 5_000, 20_000, 65_005]);
});

test('an answer to the page before settles its entry, and its objects live on', async () => {
  const { desk, timeline, wire } = deskFor();
  const left = {
    at: 0,
    kind: 'call',
    title: '',
    status: 'waiting',
    service: 'book',
    method: 'find',
    params: { name: 'Ann' },
  };
  timeline.restore([
    { ...left, n: 1, wireId: 'old-1' },
    { ...left, n: 2, wireId: 'old-2' },
    { ...left, n: 3, kind: 'callback' },
  ]);
  desk.inherit(timeline.entries);
  const message = { jsonrpc: '2.0', id: 'old-1', result: { updater: { $handle: 't9', interface: 'Updater' } } };
  wire.answer('old-1', JSON.stringify(message), message);
  await new Promise(setImmediate);
  assert.equal(timeline.entries[0].status, 'ok');
  assert.equal(desk.objects.get('t9').label, 'find("Ann").updater');
  desk.disinherit();
  assert.deepEqual(
    timeline.entries.map(({ status }) => status),
    ['ok', 'outcome_unknown', 'cancelled'],
  );
});

test('a timeline has bounds, and finds', () => {
  const timeline = new Timeline(() => {});
  for (let index = 0; index < 10_050; index++) {
    timeline.add({
      at: index,
      kind: 'call',
      title: `call ${index}`,
      status: index % 100 ? 'ok' : 'not_found',
      service: 's',
      method: 'm',
      ms: 1,
    });
  }
  assert.equal(timeline.entries.length, 10_000);
  assert.deepEqual(
    timeline.newest({ text: '', kind: '' }, 2).map(({ title }) => title),
    ['call 10049', 'call 10048'],
  );
  assert.equal(timeline.newest({ text: 'CALL 99', kind: '' }, 1000).length, 280);
  assert.equal(timeline.newest({ text: '', kind: 'failed' }, 1000).length, 100);
  assert.equal(timeline.newest({ text: '', kind: 'event' }, 1000).length, 0);
  assert.deepEqual(
    timeline.latencies().map(({ name, times }) => [name, times.length]),
    [['s.m', 500]],
  );
  for (let index = 0; index < 60; index++) {
    timeline.add({ at: 0, kind: 'call', title: '', status: 'ok', received: 'x'.repeat(1_000_000) });
  }
  const whole = timeline.entries.filter(({ received }) => received).length;
  assert.equal(whole, 48);
  assert.ok(timeline.entries.at(-1).received);
});

test('labels are short', () => {
  assert.equal(callLabel('add', { a: 1, b: 'x'.repeat(100), c: [1], d: null }), `add(1, "${'x'.repeat(22)}…, […], …)`);
  assert.equal(callLabel('on', { a: { $callback: 'x' }, b: { $handle: 'y' } }), 'on(callback, object)');
  assert.ok(objectLabel('a'.repeat(100), 'b()', '.c').length <= 81);
});

test('a plot has its points within its picture, and what they come to', () => {
  const times = [1, 10, 100, 1000].map((ms, n) => ({ n, ms, ok: true }));
  const { points, lines, facts } = plotOf(times);
  assert.deepEqual(facts, { count: 4, p50: 10, p95: 1000, most: 1000 });
  assert.ok(points.every(({ x, y }) => x >= 0 && x <= 320 && y >= 0 && y <= 96));
  assert.deepEqual(
    lines.map(({ text }) => text),
    ['1 ms', '10 ms', '100 ms', '1.00 s'],
  );
});
