// What is typed in the console: values and their JSON in step, and what is wrong with them.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CallState } from '../../static/console/call-state.js';
import { ruleProblem } from '../../static/console/callbacks.js';
import { nearest } from '../../static/console/checking.js';
import { memberDraft } from '../../static/console/drafts.js';
import { parseJson, writeJson } from '../../static/console/json-text.js';
import { bytesInWords, rewriteData } from '../../static/console/scalars.js';
import { MASK } from '../../static/console/secrets.js';

const field = (name, kind, more = {}) => ({ name, type: kind, shape: { kind, ...more.shape }, ...more.field });
const structOf = (fields, union = [], more = {}) => ({ fields, union, ...more });
const TABLES = {
  structs: {
    Node: structOf([
      field('label', 'text'),
      { name: 'children', type: 'List(Node)', shape: { kind: 'list', element: { kind: 'struct', name: 'Node' } } },
    ]),
    Shape: structOf(
      [field('name', 'text')],
      [field('circle', 'float64'), field('square', 'uint8'), field('none', 'void')],
    ),
    Tagged: structOf([], [field('a', 'uint8'), field('b', 'text')], {
      discriminator: { name: 'type', value_name: 'value' },
    }),
    Flat: structOf([
      {
        name: 'at',
        type: 'Point',
        shape: { kind: 'struct', name: 'Point' },
        flatten: { prefix: 'at_' },
      },
    ]),
    Point: structOf([field('x', 'int64'), field('y', 'int64')]),
  },
  enums: { Colour: { values: [{ name: 'red', number: 0 }] } },
  interfaces: {},
};
const named = (name, type) => ({ name, type, shape: { kind: 'struct', name: type } });
const state = (...params) =>
  new CallState({ name: 'call', signature: '', params, results: [], results_struct: null }, TABLES);
const json = (one) => JSON.parse(one.text);

test('nothing is sent of what nobody typed, but for structs that are parameters', () => {
  assert.deepEqual(json(state(field('count', 'uint8'), field('text', 'text'), named('node', 'Node'))), { node: {} });
});

test('a struct that contains itself is filled as deep as somebody goes', () => {
  const one = state(named('node', 'Node'));
  one.typedJson('{"node": {"label": "a", "children": [{"children": [{"label": "c"}]}, {}]}}');
  assert.deepEqual(one.problems, []);
  assert.deepEqual(one.params(), { node: { label: 'a', children: [{ children: [{ label: 'c' }] }, {}] } });
});

test('of a union one member is sent, and two are a problem', () => {
  const one = state(named('shape', 'Shape'));
  one.typedJson('{"shape": {"circle": 1.5}}');
  assert.equal(one.draft.members.shape.which, 'circle');
  assert.deepEqual(one.params(), { shape: { circle: 1.5 } });
  one.draft.members.shape.which = 'none';
  one.typed();
  assert.deepEqual(json(one), { shape: { none: null } });
  one.typedJson('{"shape": {"circle": 1, "square": 2}}');
  assert.match(one.problems[0].message, /"circle" and "square" are members of one union/);
});

test('a union with a tag is written and read with it', () => {
  const one = state(named('tagged', 'Tagged'));
  one.typedJson('{"tagged": {"type": "b", "value": "x"}}');
  assert.deepEqual(one.problems, []);
  assert.deepEqual(one.params(), { tagged: { type: 'b', value: 'x' } });
  one.typedJson('{"tagged": {"type": "c"}}');
  assert.deepEqual(one.problems[0], { path: '$.tagged.type', message: 'expected one of a, b, got "c"' });
});

test('members of a flattened struct stand among those around it', () => {
  const one = state(named('flat', 'Flat'));
  one.typedJson('{"flat": {"at_x": 1, "at_y": "9007199254740993"}}');
  assert.deepEqual(one.problems, []);
  assert.deepEqual(one.params(), { flat: { at_x: '1', at_y: '9007199254740993' } });
});

for (const [text, path, message] of [
  ['{"count": 256}', '$.count', '256 is out of range for UInt8 (0 … 255)'],
  ['{"count": 1.5}', '$.count', 'expected UInt8, got "1.5"'],
  ['{"count": true}', '$.count', 'expected UInt8, got true'],
  ['{"count": [1]}', '$.count', 'expected UInt8, got an array'],
  ['{"coumt": 1}', '$.coumt', 'unknown member; did you mean "count"?'],
  ['{"flag": 1}', '$.flag', 'expected Bool, got 1'],
  ['{"colour": "blue"}', '$.colour', 'expected one of red, got "blue"'],
  ['{"data": "~"}', '$.data', 'expected base64: letters, digits, + and /, with = at the end'],
  ['{"data": [256]}', '$.data', 'expected base64 or an array of bytes, got an array'],
  ['{"float": 1e39}', '$.float', '1e+39 is out of range for Float32; there is also the word Infinity'],
  ['{"double": 1e400}', '$.double', '1e999 is out of range for Float64; there is also the word Infinity'],
  ['{"on": 5}', '$.on', 'expected {"$handle": …}, {"$callback": …} or null, got 5'],
]) {
  test(`as one types: ${text}`, () => {
    const one = state(
      field('count', 'uint8'),
      field('flag', 'bool'),
      field('colour', 'enum', { shape: { name: 'Colour' } }),
      field('data', 'data'),
      field('float', 'float32'),
      field('double', 'float64'),
      field('on', 'interface', { shape: { name: 'Listener' } }),
    );
    one.typedJson(text);
    assert.deepEqual(one.problems, [{ path, message }]);
    assert.ok(!one.isWhole);
  });
}

test('what is no JSON is said with line and column, and the form keeps what was', () => {
  const one = state(field('count', 'uint8'));
  one.typedJson('{"count": 5}');
  one.typedJson('{"count": 5,\n  oops}');
  assert.match(one.syntax, /line 2, column 3/);
  assert.deepEqual(one.params(), { count: 5 });
  one.typedJson('[]');
  assert.match(one.syntax, /expected an object/);
});

test('a secret is sent, and stands neither in the JSON nor in what is stored or shared', () => {
  const one = state(field('user', 'text'), field('pin', 'text', { field: { sensitive: true } }));
  memberDraft(one.draft, one.method.params[0]).text = 'ann';
  memberDraft(one.draft, one.method.params[1]).text = 'hunter2';
  one.typed();
  assert.deepEqual(json(one), { user: 'ann', pin: MASK });
  assert.deepEqual(one.params(), { user: 'ann', pin: 'hunter2' });
  one.typedJson(one.text.replace('ann', 'bob'));
  assert.deepEqual(one.params(), { user: 'bob', pin: 'hunter2' });
  assert.ok(!JSON.stringify(one.save()).includes('hunter2'));
  assert.deepEqual(one.shared, { user: 'bob' });
  one.typedJson('{"pin": "hunter2",');
  assert.ok(!JSON.stringify(one.save()).includes('hunter2'));
});

test('what was typed comes back, unfinished JSON too', () => {
  const one = state(named('node', 'Node'));
  one.timeout_s = '2';
  one.typedJson('{"node": {"label": "a"}}');
  one.mode = 'json';
  one.typedJson('{"node": {');
  const other = state(named('node', 'Node'));
  other.restore(JSON.parse(JSON.stringify(one.save())));
  assert.equal(other.text, '{"node": {');
  assert.equal(other.mode, 'json');
  assert.equal(other.timeout_ms, 2000);
  assert.deepEqual(other.params(), { node: { label: 'a' } });
});

test('an empty group is left out, and must stand where it is the member of a union', () => {
  const group = { name: 'at', type: 'group', shape: { kind: 'group', fields: [field('x', 'int8')], union: [] } };
  const one = state(group);
  assert.deepEqual(json(one), {});
  one.typedJson('{"at": {"x": 5}}');
  assert.deepEqual(one.params(), { at: { x: 5 } });
  const chosen = state({ name: 'of', type: 'union', shape: { kind: 'group', fields: [], union: [group] } });
  chosen.typedJson('{"of": {"at": {}}}');
  assert.deepEqual(chosen.params(), { of: { at: {} } });
});

test('a deadline that is none is said, and nothing is sent', () => {
  const one = state(field('count', 'uint8'));
  for (const typed of ['soon', '-1', '0', '1,5', 'Infinity']) {
    one.timeout_s = typed;
    assert.equal(one.deadlineProblem, `expected a number of seconds above 0, got "${typed}"`);
    assert.deepEqual([one.isWhole, one.timeout_ms], [false, undefined]);
  }
  one.timeout_s = '1.5';
  assert.deepEqual([one.deadlineProblem, one.isWhole, one.timeout_ms], ['', true, 1500]);
});

test('bytes stay the same when they are written in another way', () => {
  for (const [from, text, to, other] of [
    ['text', 'hé', 'hex', '68c3a9'],
    ['hex', '68 C3 a9', 'base64', 'aMOp'],
    ['base64', 'aMOp', 'text', 'hé'],
    ['hex', 'efbbbf41', 'text', '\ufeffA'],
    ['text', '', 'base64', ''],
  ]) {
    assert.equal(rewriteData(text, from, to), other);
  }
  assert.throws(() => rewriteData('ff', 'hex', 'text'), TypeError);
  assert.throws(() => rewriteData('f', 'hex', 'base64'), /two digits/);
  assert.deepEqual(['', 'AA==', 'AAA=', 'AAAA', 'AAAAAA=='].map(bytesInWords), [
    '0 bytes',
    '1 byte',
    '2 bytes',
    '3 bytes',
    '4 bytes',
  ]);
});

test('what a rule answers is judged by the results as it is typed', () => {
  const method = { name: 'ask', signature: '', params: [], results: [field('count', 'uint8')], results_struct: null };
  const problems = {
    '{"count": 5}': '',
    '': '',
    '{"count": 256}': '$.count: 256 is out of range for UInt8 (0 … 255)',
    '{"coumt": 5}': '$.coumt: unknown member; did you mean "count"?',
    5: 'expected an object of results by name',
  };
  for (const [text, problem] of Object.entries(problems)) {
    assert.equal(ruleProblem({ how: 'value', text }, method, TABLES), problem);
  }
  assert.match(ruleProblem({ how: 'value', text: '{' }, method, TABLES), /^no JSON: /);
  assert.equal(ruleProblem({ how: 'fail', text: 'no' }, method, TABLES), '');
});

test('a callback has a name that may travel, and the one that is wanted', () => {
  const one = state(field('on me!', 'interface', { shape: { name: 'Listener' } }));
  assert.deepEqual(json(one), { 'on me!': { $callback: 'on_me_' } });
  assert.deepEqual(
    one.params(() => 'x-1'),
    { 'on me!': { $callback: 'x-1' } },
  );
  one.typedJson('{"on me!": {"$handle": "abc"}}');
  assert.deepEqual(one.params(), { 'on me!': { $handle: 'abc' } });
});

test('long numbers keep their digits', () => {
  const value = parseJson('{"a": [12345678901234567890, 1.5, -9007199254740993], "b": "12345678901234567890"}');
  assert.deepEqual(value.a, [12345678901234567890n, 1.5, -9007199254740993n]);
  assert.equal(writeJson(value), '{"a":[12345678901234567890,1.5,-9007199254740993],"b":"12345678901234567890"}');
  assert.equal(writeJson([1n], 2), '[\n  1\n]');
});

test('the nearest name is one edit away, or the same in other letters', () => {
  assert.equal(nearest('Name', ['name']), 'name');
  assert.equal(nearest('nam', ['name']), 'name');
  assert.equal(nearest('anme', ['name']), 'name');
  assert.equal(nearest('thing', ['name']), '');
});
