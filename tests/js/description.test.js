import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { draftOf } from '../../static/console/checking.js';
import { KINDS, kindOf } from '../../static/console/description.js';
import { emptyDraft, fits } from '../../static/console/drafts.js';
import { previewReading, valueOf } from '../../static/console/reading.js';

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
  enums: {
    Colour: {
      values: [
        { name: 'red', number: 0 },
        { name: 'green', number: 1 },
      ],
    },
  },
  interfaces: {},
};

test('the page knows every kind that the gateway names, and no other', () => {
  assert.deepEqual(Object.keys(KINDS).sort(), [...new Set(kinds.map(({ shape }) => shape.kind))].sort());
});

for (const { field, shape, draft, sent, answered } of kinds) {
  const described = { name: field, type: field, shape };
  const read = (typed, place) => {
    const reading = previewReading(TABLES);
    const value = valueOf(typed, described, place, '$', reading);
    assert.deepEqual(reading.problems, []);
    return value;
  };

  test(`what is typed for ${field} is sent as JSON`, () => {
    assert.deepEqual(read(draft, 'element'), sent);
    assert.ok(fits(draft, shape, TABLES));
  });

  test(`${field} is left out where nothing was typed, and something where something must stand`, () => {
    if (shape.kind !== 'group') {
      assert.equal(read(emptyDraft(shape), 'member'), undefined);
    }
    assert.notEqual(read(emptyDraft(shape), 'element'), undefined);
  });

  test(`JSON of ${field} becomes the same JSON again`, () => {
    for (const value of [sent, shape.kind.startsWith('float') ? sent : answered]) {
      const check = { tables: TABLES, problems: [] };
      const again = read(draftOf(value, described, '$', check), 'element');
      assert.deepEqual(check.problems, []);
      assert.deepEqual(again, sent);
    }
  });
}

test('a kind of a later gateway is JSON, even one with a name that every object has', () => {
  assert.equal(kindOf({ kind: 'int128' }).control, 'json');
  assert.equal(kindOf({ kind: 'constructor' }).control, 'json');
});
