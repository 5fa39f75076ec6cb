import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { KINDS, kindOf, sampleParams, sampleValue } from '../../static/console/description.js';

const { kinds } = JSON.parse(readFileSync(new URL('../vectors/kinds.json', import.meta.url), 'utf-8'));
const TABLES = {
  structs: {
    Point: {
      fields: [
        { name: 'x', type: 'UInt8', shape: { kind: 'uint8' } },
        { name: 'far', type: 'UInt64', shape: { kind: 'uint64' }, default: 0 },
      ],
      union: [],
    },
  },
  enums: { Colour: { values: [{ name: 'red', number: 0 }] } },
  interfaces: {},
};

test('the page knows every kind that the gateway names, and no other', () => {
  assert.deepEqual(Object.keys(KINDS).sort(), [...new Set(kinds.map(({ shape }) => shape.kind))].sort());
});

for (const { field, shape, sample } of kinds) {
  test(`a form begins with a value of the kind of ${field}`, () => {
    assert.deepEqual(sampleValue(shape, TABLES), sample);
  });
}

test('a number begins within its range', () => {
  for (const { sample, range } of Object.values(KINDS).filter(({ control }) => control === 'number')) {
    assert.ok(range && range[0] <= Number(sample) && Number(sample) <= range[1]);
  }
});

test('a kind of a later gateway is JSON, even one with a name that every object has', () => {
  assert.equal(kindOf({ kind: 'int128' }).control, 'json');
  assert.equal(kindOf({ kind: 'constructor' }).control, 'json');
});

test('a default stands in the parameters to begin with, and objects are left out', () => {
  const params = [
    { name: 'count', type: 'UInt16', shape: { kind: 'uint16' }, default: 3 },
    { name: 'size', type: 'UInt32', shape: { kind: 'uint32' } },
    { name: 'on', type: 'Listener', shape: { kind: 'interface', name: 'Listener' } },
  ];
  assert.deepEqual(sampleParams({ name: 'order', signature: '', params, results: [] }, TABLES), { count: 3, size: 0 });
});
