// A client of openapi-typescript and openapi-fetch. What must not compile is marked, so that `tsc` fails if it does.
import assert from 'node:assert/strict';

import createClient from 'openapi-fetch';

import type { paths } from './fetch/schema';

const client = createClient<paths>({ baseUrl: process.env['GATEWAY_URL'] ?? '' });

const sum = await client.POST('/api/calculator/add', { body: { first: 2, second: 5 } });
const result: number | undefined = sum.data?.result;
assert.equal(result, 7);

const failed = await client.POST('/api/calculator/divide', { body: { dividend: 1, divisor: 0 } });
assert.equal(failed.error?.code, 'invalid_argument');

// @ts-expect-error: a text is no number
await client.POST('/api/calculator/add', { body: { first: true } });
// @ts-expect-error: there is no such method
await client.POST('/api/calculator/nothing', {});

const made = await client.POST('/api/calculator/accumulator', { body: { start: '40' } });
const handle = made.data?.accumulator?.$handle ?? '';
const headers = { 'Session-Id': made.response.headers.get('Session-Id') ?? '' };
const added = await client.POST('/api/handles/{handle}/calculator/Calculator.Accumulator/add', {
  params: { path: { handle } },
  body: { value: '2' },
  headers,
});
const total: string | undefined = added.data?.total;
assert.equal(total, '42');
await client.POST('/api/handles/{handle}/calculator/Calculator.Accumulator/add', {
  params: { path: { handle } },
  // @ts-expect-error: the method has no such parameter
  body: { valeu: '2' },
  headers,
});

const person = await client.POST('/api/addressbook/add', { body: { person: { name: 'Fetch' } } });
const updater = person.data?.person?.updater?.$handle ?? '';
const mine = { 'Session-Id': person.response.headers.get('Session-Id') ?? '' };
const updated = await client.POST('/api/handles/{handle}/addressbook/Person.Updater/update', {
  params: { path: { handle: updater } },
  body: { person: { phoneNumber: '5' } },
  headers: mine,
});
const phone: string | undefined = updated.data?.person?.phoneNumber;
assert.equal(phone, '5');
const found = await client.GET('/people/{name}', { params: { path: { name: 'Fetch' } }, headers: mine });
assert.equal(found.data?.person?.phoneNumber, '5');
await client.POST('/api/handles/{handle}/addressbook/Person.Updater/delete', {
  params: { path: { handle: updater } },
  headers: mine,
});
