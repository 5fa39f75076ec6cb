// The protocol while the connection stands.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { GatewayError } from '../../static/client/errors.js';
import { HELLO_RESULT, failure, settle } from './fakes.js';
import { Stage } from './stage.js';

test('hello is the first message and alone in its frame', async () => {
  const stage = new Stage({ token: 'secret' });
  stage.call('calculator.add', [2, 5]);
  stage.connect(null);
  assert.deepEqual(stage.written, [
    { id: 0, method: 'rpc.hello', params: { protocol: 1, unbox: true, token: 'secret' } },
  ]);
  await settle();
  assert.equal(stage.frames.length, 1);
  assert.deepEqual(stage.states, []);
  stage.answers(0, HELLO_RESULT);
  await settle();
  assert.deepEqual(stage.written[1], { id: 1, method: 'calculator.add', params: [2, 5] });
  assert.deepEqual(stage.states, ['open']);
  assert.equal(stage.session.id, 'secret-session');
});

test('an answer fulfils its call, in any order', async () => {
  const stage = new Stage().connect();
  const [first, second] = [stage.call('a.b'), stage.call('a.c')];
  await settle();
  stage.answers(2, 'two');
  stage.answers(1, null);
  assert.deepEqual(await Promise.all([first, second]), [null, 'two']);
});

test('calls of one tick travel in one frame, a single call as itself', async () => {
  const stage = new Stage().connect();
  stage.call('a.b');
  stage.call('a.c');
  await settle();
  stage.call('a.d');
  await settle();
  assert.deepEqual(
    stage.frames.map((frame) => Array.isArray(JSON.parse(frame))),
    [true, false],
  );
  assert.deepEqual(
    stage.written.map(({ method }) => method),
    ['a.b', 'a.c', 'a.d'],
  );
});

test('a batch is divided before a frame grows over the limit', async () => {
  const stage = new Stage().connect();
  for (let i = 0; i < 30; i++) {
    stage.call('a.b', ['ä'.repeat(20)]);
  }
  await settle();
  assert.ok(stage.frames.length > 1);
  assert.ok(stage.frames.every((frame) => Buffer.byteLength(frame) <= 1000));
  assert.equal(stage.written.length, 30);
});

test('a message over the limit is refused here and the others go on', async () => {
  const stage = new Stage().connect();
  const large = stage.call('a.b', ['ä'.repeat(500)]);
  stage.call('a.c');
  await settle();
  const error = await failure(large);
  assert.equal(error.code, 'too_large');
  assert.match(error.message, /the call of a\.b has 10\d\d bytes; the gateway takes no more than 1000/);
  assert.deepEqual(stage.written, [{ id: 2, method: 'a.c', params: [] }]);
});

test('a text whose characters, not bytes, are within the limit is measured in bytes', async () => {
  const stage = new Stage().connect();
  const fits = stage.call('a.b', ['a'.repeat(900)]);
  await settle();
  stage.answers(1, 1);
  assert.equal(await fits, 1);
});

test('an error answer becomes a GatewayError with the problem in it', async () => {
  const stage = new Stage().connect();
  const call = stage.call('a.b');
  await settle();
  const data = { code: 'out_of_range', path: '$.first', request_id: 'r1', detail: '$.first: too large' };
  stage.says({ jsonrpc: '2.0', id: 1, error: { code: -32011, message: '$.first: too large', data } });
  const error = await failure(call);
  assert.ok(error instanceof GatewayError);
  const { name, code, path, message, requestId } = error;
  assert.deepEqual(
    { name, code, path, message, requestId, data: error.data },
    {
      name: 'GatewayError',
      code: 'out_of_range',
      path: '$.first',
      message: '$.first: too large',
      requestId: 'r1',
      data,
    },
  );
});

const BARE_ERRORS = [
  [{ code: -32601, message: 'no such method' }, 'not_found', 'no such method'],
  [{ code: -32700, message: 'no JSON' }, 'invalid_argument', 'no JSON'],
  [{ code: 12345, message: 'm' }, 'unknown', 'm'],
  ['nonsense', 'unknown', 'the gateway gave no reason'],
  [null, 'unknown', 'the gateway gave no reason'],
];

for (const [error, code, message] of BARE_ERRORS) {
  test(`the error ${JSON.stringify(error)} is ${code}`, async () => {
    const stage = new Stage().connect();
    const call = stage.call('a.b');
    await settle();
    stage.says({ jsonrpc: '2.0', id: 1, error });
    const actual = await failure(call);
    assert.deepEqual([actual.code, actual.message], [code, message]);
  });
}

test('a timeout travels in meta, ends the call here and cancels it there', async () => {
  const stage = new Stage().connect();
  const call = stage.call('a.b', [], { timeout: 1500 });
  await settle();
  assert.deepEqual(stage.written[0].meta, { timeout: 1.5 });
  stage.clock.advance(1500);
  assert.equal((await failure(call)).code, 'deadline_exceeded');
  await settle();
  assert.deepEqual(stage.written[1], { method: 'rpc.cancel', params: { id: 1 } });
});

test('an aborted call is cancelled there too and keeps the reason', async () => {
  const stage = new Stage().connect();
  const controller = new AbortController();
  const call = stage.call('a.b', [], { signal: controller.signal });
  await settle();
  controller.abort('not needed');
  const error = await failure(call);
  assert.deepEqual([error.code, error.cause], ['cancelled', 'not needed']);
  await settle();
  assert.deepEqual(stage.written[1], { method: 'rpc.cancel', params: { id: 1 } });
});

test('a call that is aborted before it was written is never written', async () => {
  const stage = new Stage().connect();
  const controller = new AbortController();
  const call = stage.call('a.b', [], { signal: controller.signal });
  controller.abort();
  assert.equal((await failure(call)).code, 'cancelled');
  assert.equal((await failure(stage.call('a.c', [], { signal: controller.signal }))).code, 'cancelled');
  await settle();
  assert.deepEqual(stage.frames, []);
});

test('a result that comes after its call was given up is unclaimed', async () => {
  const stage = new Stage().connect();
  stage.call('a.b', [], { timeout: 10 });
  await settle();
  stage.clock.advance(10);
  stage.answers(1, { $handle: 't', interface: null });
  stage.says({ jsonrpc: '2.0', id: 1, error: { code: -32001, message: 'cancelled' } });
  assert.deepEqual(stage.unclaimed, [{ $handle: 't', interface: null }]);
});

test('a call ends when the gateway says nothing for longer than its longest deadline', async () => {
  const stage = new Stage().connect();
  const call = stage.call('a.b');
  await settle();
  stage.clock.advance(330_000);
  assert.equal((await failure(call)).code, 'outcome_unknown');
});

test('no timer is left when all calls are answered', async () => {
  const stage = new Stage().connect();
  const call = stage.call('a.b', [], { timeout: 1000 });
  await settle();
  stage.answers(1, 1);
  await call;
  stage.clock.advance(1000);
  assert.equal(stage.clock.waiting, 0);
  assert.ok(!stage.written.some(({ method }) => method === 'rpc.cancel'));
});

test('a request runs a callback and its result is the answer', async () => {
  const stage = new Stage().connect();
  const asked = [];
  stage.callback = async (...request) => {
    asked.push(request);
    return { result: 42, callbacks: [] };
  };
  stage.says({ jsonrpc: '2.0', id: 'g:1', method: '!c1.changed', params: [1, 'two'] });
  await settle();
  assert.deepEqual(asked, [['c1', 'changed', [1, 'two']]]);
  assert.deepEqual(stage.written, [{ id: 'g:1', result: 42 }]);
});

test('no result of a callback is null', async () => {
  const stage = new Stage().connect();
  stage.callback = async () => ({ result: undefined, callbacks: [] });
  stage.says({ jsonrpc: '2.0', id: 'g:1', method: '!c1.changed', params: [] });
  await settle();
  assert.deepEqual(stage.written, [{ id: 'g:1', result: null }]);
});

const CALLBACK_FAILURES = [
  [new Error('broken'), { code: -32002, message: 'broken', data: { code: 'unknown', detail: 'broken' } }],
  ['just text', { code: -32002, message: 'just text', data: { code: 'unknown', detail: 'just text' } }],
  [
    new GatewayError('not_found', 'no such person'),
    { code: -32005, message: 'no such person', data: { code: 'not_found', detail: 'no such person' } },
  ],
  [new GatewayError('made_up', 'odd'), { code: -32002, message: 'odd', data: { code: 'unknown', detail: 'odd' } }],
];

for (const [reason, error] of CALLBACK_FAILURES) {
  test(`a callback that throws ${reason} answers ${error.data.code}`, async () => {
    const stage = new Stage().connect();
    stage.callback = async () => {
      throw reason;
    };
    stage.says({ jsonrpc: '2.0', id: 'g:7', method: '!c1.changed', params: [] });
    await settle();
    assert.deepEqual(stage.written, [{ id: 'g:7', error }]);
  });
}

for (const method of ['rpc.unknown', 'changed', '!c1', '!c1.']) {
  test(`a request for ${method} is unimplemented`, async () => {
    const stage = new Stage().connect();
    stage.says({ jsonrpc: '2.0', id: 'g:1', method, params: [] });
    await settle();
    assert.equal(stage.written[0].error.code, -32012);
  });
}

test('an answer of a callback that is too large becomes an error', async () => {
  const stage = new Stage().connect();
  stage.callback = async () => ({ result: 'x'.repeat(2000), callbacks: ['c2'] });
  stage.says({ jsonrpc: '2.0', id: 'g:1', method: '!c1.read', params: [] });
  await settle();
  assert.equal(stage.written[0].error.data.code, 'too_large');
  assert.deepEqual(stage.settled, [
    [['c2'], false],
    [[], true],
  ]);
});

test('callbacks of a call are settled by its end, and accepted unless no service saw the call', async () => {
  const stage = new Stage().connect();
  const more = (name) => [[], {}, { callbacks: [name] }];
  stage.call('a.b', ...more('c1'));
  stage.call('a.c', ...more('c2'));
  stage.call('a.d', ...more('c3'));
  await settle();
  stage.answers(1, null);
  stage.says({ jsonrpc: '2.0', id: 2, error: { code: -32601, message: 'no such method' } });
  stage.says({ jsonrpc: '2.0', id: 3, error: { code: -32002, message: 'failed' } });
  assert.deepEqual(stage.settled, [
    [['c1'], true],
    [['c2'], false],
    [['c3'], true],
  ]);
});

test('every message counts one, but not hello, its answer and acknowledgements', async () => {
  const stage = new Stage().connect();
  stage.call('a.b');
  stage.call('a.c');
  stage.session.release('t', stage.session.generation);
  await settle();
  stage.says([
    { jsonrpc: '2.0', id: 1, result: 1 },
    { jsonrpc: '2.0', method: 'rpc.ack', params: { received: 3 } },
    { jsonrpc: '2.0', method: 'rpc.released', params: { handle: 't' } },
    { jsonrpc: '2.0', id: 2, result: 2 },
  ]);
  assert.deepEqual(stage.session.counts, { sent: 3, received: 3, acknowledged: 0 });
  stage.clock.advance(1000);
  await settle();
  assert.deepEqual(stage.session.counts, { sent: 3, received: 3, acknowledged: 3 });
  assert.deepEqual(stage.written.at(-1), { method: 'rpc.ack', params: { received: 3 } });
});

test('64 messages are acknowledged at once', async () => {
  const stage = new Stage().connect();
  stage.says(...Array.from({ length: 65 }, () => ({ jsonrpc: '2.0', method: 'rpc.released', params: {} })));
  await settle();
  assert.deepEqual(stage.written, [{ method: 'rpc.ack', params: { received: 64 } }]);
});

test('256 KiB are acknowledged at once', async () => {
  const stage = new Stage().connect();
  stage.says({ jsonrpc: '2.0', id: 1, result: 'x'.repeat(256 * 1024) });
  await settle();
  assert.deepEqual(stage.written, [{ method: 'rpc.ack', params: { received: 1 } }]);
});

test('acknowledgements are not answered with acknowledgements', async () => {
  const stage = new Stage().connect();
  stage.says({ jsonrpc: '2.0', method: 'rpc.ack', params: { received: 0 } });
  assert.equal(stage.clock.waiting, 0);
});

const ODD_MESSAGES = [
  null,
  5,
  'text',
  [],
  {},
  { id: null },
  { id: {} },
  { method: 'rpc.released' },
  { method: 'other.thing', params: 3 },
];

test('odd messages are counted and forgotten', async () => {
  const stage = new Stage().connect();
  for (const message of ODD_MESSAGES) {
    stage.session.received(JSON.stringify([message]));
  }
  await settle();
  assert.equal(stage.session.counts.received, ODD_MESSAGES.length);
  assert.equal(stage.closed, undefined);
});
