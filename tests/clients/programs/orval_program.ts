// A client of orval. What must not compile is marked, so that `tsc` fails if it does.
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
} from './orval/gateway';

const sum = await calculatorAdd({ first: 2, second: 5 });
assert.ok(sum.status === 200);
const result: number = sum.data.result;
assert.equal(result, 7);

const failed = await calculatorDivide({ dividend: 1, divisor: 0 });
assert.ok(failed.status === 400);
assert.equal(failed.data.code, 'invalid_argument');

// @ts-expect-error: true is no number
await calculatorAdd({ first: true });

const made = await calculatorAccumulator({ start: '40' });
assert.ok(made.status === 200);
const handle = made.data.accumulator?.$handle ?? '';
const headers = { 'Session-Id': made.headers.get('Session-Id') ?? '' };
const added = await calculatorAccumulatorAdd(handle, { value: '2' }, { headers });
assert.ok(added.status === 200);
const total: string = added.data.total;
assert.equal(total, '42');
// @ts-expect-error: the method has no such parameter
await calculatorAccumulatorAdd(handle, { valeu: '2' }, { headers });

const person = await addressbookAdd({ person: { name: 'Orval' } });
assert.ok(person.status === 200);
const updater = person.data.person?.updater?.$handle ?? '';
const mine = { 'Session-Id': person.headers.get('Session-Id') ?? '' };
const updated = await addressbookPersonUpdaterUpdate(updater, { person: { phoneNumber: '5' } }, { headers: mine });
assert.ok(updated.status === 200);
const phone: string | undefined = updated.data.person?.phoneNumber;
assert.equal(phone, '5');
const found = await addressbookFindGetRoute('Orval', { headers: mine });
assert.ok(found.status === 200);
assert.equal(found.data.person?.phoneNumber, '5');
await addressbookPersonUpdaterDelete(updater, {}, { headers: mine });
