// JSON-RPC clients that know nothing of this gateway, json-rpc-2.0 and @open-rpc/client-js, as their manuals use them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import * as OpenRpc from '@open-rpc/client-js';
import { JSONRPCClient, JSONRPCServer, JSONRPCServerAndClient } from 'json-rpc-2.0';
import WebSocket from 'ws';

import { startDemo } from './demo.js';

let demo;
let url;

before(async () => {
  demo = await startDemo();
  url = `${demo.url.replace('http', 'ws')}/ws`;
});

after(() => demo?.stop());

test('json-rpc-2.0: calls, errors, a batch, and requests of the gateway', async () => {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const sides = new JSONRPCServerAndClient(
    new JSONRPCServer(),
    new JSONRPCClient((request) => socket.send(JSON.stringify(request))),
  );
  socket.on('message', (data) => sides.receiveAndSend(JSON.parse(String(data))));

  assert.deepEqual(await sides.request('calculator.add', { first: 2, second: 5 }), { result: 7 });
  assert.deepEqual(await sides.request('calculator.add', [2, 5]), { result: 7 });
  await assert.rejects(async () => sides.request('calculator.nope', []), /calculator has no method "nope"/);

  const batch = [1, 2, 3].map((id) => ({ jsonrpc: '2.0', id: `b${id}`, method: 'calculator.add', params: [id, id] }));
  const answers = await sides.requestAdvanced(batch);
  assert.deepEqual(answers.map(({ id, result }) => [id, result]).sort(), [
    ['b1', { result: 2 }],
    ['b2', { result: 4 }],
    ['b3', { result: 6 }],
  ]);

  sides.addMethod('!double.apply', ([value]) => ({ result: value * 2 }));
  const mapped = await sides.request('calculator.map', { values: [1, 2], transform: { $callback: 'double' } });
  assert.deepEqual(mapped, { results: [2, 4] });

  const { accumulator } = await sides.request('calculator.accumulator', { start: '40' });
  assert.deepEqual(await sides.request(`@${accumulator.$handle}.add`, ['2']), { total: '42' });
  socket.close();
});

test('@open-rpc/client-js: calls, errors, notifications and a batch', async () => {
  const transport = new OpenRpc.WebSocketTransport(url);
  const client = new OpenRpc.Client(new OpenRpc.RequestManager([transport]));
  assert.deepEqual(await client.request({ method: 'calculator.add', params: { first: 2, second: 5 } }), { result: 7 });
  await assert.rejects(client.request({ method: 'calculator.divide', params: [1, 0] }), { code: -32602 });
  await client.notify({ method: 'calculator.add', params: [1, 1] });

  client.startBatch();
  const batch = [1, 2, 3].map((value) => client.request({ method: 'calculator.add', params: [value, value] }));
  client.stopBatch();
  assert.deepEqual(await Promise.all(batch), [{ result: 2 }, { result: 4 }, { result: 6 }]);
  client.close();
});

test('json-rpc-2.0 over HTTP: calls, errors, a batch and a notification', async () => {
  const client = new JSONRPCClient(async (request) => {
    const answer = await fetch(`${demo.url}/rpc`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    if (answer.status === 200) client.receive(await answer.json());
    else if (answer.status !== 204) throw new Error(answer.statusText);
  });
  assert.deepEqual(await client.request('calculator.add', { first: 2, second: 5 }), { result: 7 });
  await assert.rejects(async () => client.request('calculator.nope', []), /calculator has no method "nope"/);
  client.notify('calculator.add', [1, 1]);
  const batch = [1, 2].map((id) => ({ jsonrpc: '2.0', id: `b${id}`, method: 'calculator.add', params: [id, id] }));
  const answers = await client.requestAdvanced(batch);
  assert.deepEqual(
    answers.map(({ id, result }) => [id, result]),
    [
      ['b1', { result: 2 }],
      ['b2', { result: 4 }],
    ],
  );
});

test('@open-rpc/client-js over HTTP: calls, errors, notifications and a batch', async () => {
  const transport = new OpenRpc.HTTPTransport(`${demo.url}/rpc`);
  const client = new OpenRpc.Client(new OpenRpc.RequestManager([transport]));
  assert.deepEqual(await client.request({ method: 'calculator.add', params: { first: 2, second: 5 } }), { result: 7 });
  await assert.rejects(client.request({ method: 'calculator.divide', params: [1, 0] }), { code: -32602 });
  await client.notify({ method: 'calculator.add', params: [1, 1] });
  client.startBatch();
  const batch = [1, 2, 3].map((value) => client.request({ method: 'calculator.add', params: [value, value] }));
  client.stopBatch();
  assert.deepEqual(await Promise.all(batch), [{ result: 2 }, { result: 4 }, { result: 6 }]);
  const document = await client.request({ method: 'rpc.discover' });
  assert.ok(document.methods.some(({ name }) => name === 'calculator.add'));
  client.close();
});
