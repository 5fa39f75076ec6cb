// Floats that JSON has no number for are numbers, and texts that look like them are texts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import WebSocket from 'ws';

import { connect } from '../../static/client/index.js';
import { startCounting } from './counting.js';

let counting;
let gateway;

before(async () => {
  counting = await startCounting();
  gateway = await connect(counting.url, { WebSocket });
});

after(async () => {
  gateway?.close();
  await counting?.stop();
});

for (const number of [NaN, Infinity, -Infinity, 0.5]) {
  test(`${number} comes back, in results and to a callback, and so does the text`, async () => {
    const heard = [];
    const half = (value) => {
      heard.push(value);
      return value / 2;
    };
    const result = await gateway.service('counting').floats([number, 1], String(number), half);
    assert.deepEqual({ ...result }, { numbers: [number, 1], text: String(number), half: number / 2 });
    assert.deepEqual(heard, [number]);
  });
}
