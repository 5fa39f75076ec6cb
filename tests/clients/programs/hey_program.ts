// A client of hey-api. What must not compile is marked, so that `tsc` fails if it does.
import assert from 'node:assert/strict';

import {
  addressbookAdd,
  addressbookFindGetRoute,
  addressbookPersonUpdaterDelete,
  addressbookPersonUpdaterUpdate,
  calculatorAccumulator,
  calculatorAccumulatorAdd,
  calculatorAdd,
  calculatorDivide,
} from './hey';
import { client } from './hey/client.gen';

client.setConfig({ baseUrl: process.env['GATEWAY_URL'] ?? '' });

const sum = await calculatorAdd({ body: { first: 2, second: 5 } });
const result: number | undefined = sum.data?.result;
assert.equal(result, 7);

const failed = await calculatorDivide({ body: { dividend: 1, divisor: 0 } });
assert.equal(failed.error?.code, 'invalid_argument');

// @ts-expect-error: true is no number
await calculatorAdd({ body: { first: true } });

const made = await calculatorAccumulator({ body: { start: '40' } });
const handle = made.data?.accumulator?.$handle ?? '';
const headers = { 'Session-Id': made.response?.headers.get('Session-Id') ?? '' };
const added = await calculatorAccumulatorAdd({ path: { handle }, body: { value: '2' }, headers });
const total: string | undefined = added.data?.total;
assert.equal(total, '42');
// @ts-expect-error: the method has no such parameter
await calculatorAccumulatorAdd({ path: { handle }, body: { valeu: '2' }, headers });

const person = await addressbookAdd({ body: { person: { name: 'Hey' } } });
const updater = person.data?.person?.updater?.$handle ?? '';
const mine = { 'Session-Id': person.response?.headers.get('Session-Id') ?? '' };
const updated = await addressbookPersonUpdaterUpdate({
  path: { handle: updater },
  body: { person: { phoneNumber: '5' } },
  headers: mine,
});
const phone: string | undefined = updated.data?.person?.phoneNumber;
assert.equal(phone, '5');
const found = await addressbookFindGetRoute({ path: { name: 'Hey' }, headers: mine });
assert.equal(found.data?.person?.phoneNumber, '5');
await addressbookPersonUpdaterDelete({ path: { handle: updater }, headers: mine });
