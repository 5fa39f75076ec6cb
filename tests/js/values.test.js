import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';

import { decode, encodeParams, findMethod, hasMethods } from '../../static/client/values.js';

const outgoing = {
  reference: () => undefined,
  later: () => false,
  callback: () => ({ $callback: 'c1' }),
};
const written = (value) => JSON.parse(JSON.stringify(encodeParams([value], outgoing)))[0];

class Listener {
  changed() {}
}
class Point {
  constructor() {
    this.x = 1;
  }
}

const VALUES = [
  ['text', 'ä', 'ä'],
  ['a character of two halves', '😀', '😀'],
  ['a number', 1.5, 1.5],
  ['not a number', NaN, 'NaN'],
  ['minus infinity', -Infinity, '-Infinity'],
  ['a large integer', 2n ** 63n, '9223372036854775808'],
  ['nothing', null, null],
  ['a missing element', [1, undefined], [1, null]],
  ['a missing member', { a: 1, b: undefined }, { a: 1 }],
  ['nested data', { tags: [{ a: [true] }] }, { tags: [{ a: [true] }] }],
  ['an object without prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ['an instance of a class without methods', new Point(), { x: 1 }],
  ['data of another realm', vm.runInNewContext('({a: [1]})'), { a: [1] }],
  ['bytes', new Uint8Array([0, 255, 16]), 'AP8Q'],
  ['a part of a buffer', new DataView(new Uint8Array([1, 2, 3]).buffer, 1, 1), 'Ag=='],
  ['a buffer', new Uint8Array([1]).buffer, 'AQ=='],
  ['many bytes', new Uint8Array(20_000), 'A'.repeat(26_667) + '='],
  ['a list of floats', new Float64Array([0.5, Infinity]), [0.5, 'Infinity']],
  ['a list of large integers', new BigInt64Array([-1n]), ['-1']],
  ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['a function', () => {}, { $callback: 'c1' }],
  ['an object with a function', { changed() {} }, { $callback: 'c1' }],
  ['an object that inherits a function', new Listener(), { $callback: 'c1' }],
  ['a callback within data', { listener: new Listener() }, { listener: { $callback: 'c1' } }],
];

for (const [what, value, expected] of VALUES) {
  test(`${what} is written`, () => {
    assert.deepEqual(written(value), expected);
  });
}

const loop = {};
loop.again = loop;

const REFUSED = [
  ['a symbol', [Symbol('s')], '$[0][0]: a symbol cannot be sent', '$[0][0]'],
  ['half a character', [{ name: 'Ann \ud83d' }], '$[0][0].name: half a character cannot be sent', '$[0][0].name'],
  ['its other half', '\ude00!', '$[0]: half a character cannot be sent', '$[0]'],
  ['a map', { byName: new Map() }, '$[0].byName: a value of type Map cannot be sent', '$[0].byName'],
  ['a promise', Promise.resolve(), '$[0]: a value of type Promise cannot be sent', '$[0]'],
  ['an error', new Error('x'), '$[0]: a value of type Error cannot be sent', '$[0]'],
];

for (const [what, value, message, path] of REFUSED) {
  test(`${what} is refused with its path`, () => {
    assert.throws(() => written(value), { name: 'GatewayError', code: 'invalid_argument', message, path });
  });
}

test('an object that contains itself is refused', () => {
  assert.throws(() => written(loop), { code: 'invalid_argument', message: /contains itself/ });
});

test('the outermost object of parameters by name is never a callback', () => {
  assert.deepEqual({ ...encodeParams({ listener: () => {} }, outgoing) }, { listener: { $callback: 'c1' } });
});

test('a member called __proto__ is written and read as data', () => {
  const json = JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}');
  const text = JSON.stringify(encodeParams([json], outgoing));
  assert.equal(text, '[{"__proto__":{"a":1},"constructor":2}]');
  const value = decode(json, () => undefined);
  assert.equal(Object.getPrototypeOf(value), null);
  assert.deepEqual(Object.keys(value), ['__proto__', 'constructor']);
});

test('a handle is read wherever it stands', () => {
  const json = {
    person: { updater: { $handle: 't1', interface: 'Person.Updater' } },
    all: [{ $handle: 't2', interface: null }],
  };
  const value = decode(json, (token, name) => `${token} ${name}`);
  assert.equal(value.person.updater, 't1 Person.Updater');
  assert.deepEqual(value.all, ['t2 null']);
});

test('what only looks like a handle is data', () => {
  for (const json of [{ $handle: 't' }, { $handle: 1, interface: null }, { $handle: 't', interface: null, more: 1 }]) {
    assert.deepEqual({ ...decode(json, () => assert.fail('made a proxy')) }, json);
  }
});

test('a float that JSON has no number for is read as the number, what only looks like one is data', () => {
  const json = [{ $float: 'NaN' }, { $float: '-Infinity' }, { $float: '5' }, { $float: 'NaN', a: 1 }, 'NaN'];
  const [nan, infinity, ...others] = decode(json, () => assert.fail('made a proxy'));
  assert.deepEqual([nan, infinity], [NaN, -Infinity]);
  assert.deepEqual(JSON.parse(JSON.stringify(others)), json.slice(2));
});

test('methods that every object has are no methods of a callback', () => {
  const listener = new Listener();
  assert.equal(findMethod(listener, 'changed'), Listener.prototype.changed);
  for (const name of ['constructor', 'toString', '__defineGetter__', 'hasOwnProperty', 'absent']) {
    assert.equal(findMethod(listener, name), undefined, name);
  }
});

test('accessors are not run to look for methods', () => {
  const object = {
    get trap() {
      throw new Error('run');
    },
  };
  assert.equal(hasMethods(object), false);
  assert.equal(findMethod(object, 'trap'), undefined);
});
