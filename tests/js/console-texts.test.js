// Texts of the console: comments, addresses, what is found, snippets, and what travels in one frame.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { variableName } from '../../static/console/credentials.js';
import { blocksOf } from '../../static/console/doc-text.js';
import { byteLength, floatWord, scalarText, visible } from '../../static/console/json-text.js';
import { formatPlace, parsePlace } from '../../static/console/places.js';
import { Search, objectHits } from '../../static/console/search.js';
import { MASK, Redaction } from '../../static/console/secrets.js';
import { LANGUAGES, obstacle, snippet } from '../../static/console/snippets.js';
import { Wire } from '../../static/console/wire.js';

test('a comment becomes paragraphs, lists, code and links, and everything else stays the text that it is', () => {
  const doc = [
    'Adds `a` to **b**, see https://example.org/x?y=1.',
    'Goes on.',
    '',
    '- one',
    '- two',
    '  goes on',
    '1. three',
    '',
    '    code <b>',
    '    more',
    '',
    '```',
    '- not a list',
    '```',
    '<img src=x onerror=alert(1)> [a](javascript:alert(1))',
  ].join('\n');
  assert.deepEqual(blocksOf(doc), [
    {
      is: 'paragraph',
      spans: [
        { text: 'Adds ' },
        { text: 'a', is: 'code' },
        { text: ' to ' },
        { text: 'b', is: 'strong' },
        { text: ', see ' },
        { text: 'https://example.org/x?y=1', is: 'link' },
        { text: '. Goes on.' },
      ],
    },
    { is: 'item', spans: [{ text: 'one' }] },
    { is: 'item', spans: [{ text: 'two goes on' }] },
    { is: 'item', spans: [{ text: 'three' }] },
    { is: 'code', text: 'code <b>\nmore' },
    { is: 'code', text: '- not a list' },
    { is: 'paragraph', spans: [{ text: '<img src=x onerror=alert(1)> [a](javascript:alert(1))' }] },
  ]);
  assert.deepEqual(blocksOf(undefined), []);
});

test('what nobody sees, and what turns the order of others, is shown as an escape, and stays the same value', () => {
  const shown = {
    'a\u202eb': '"a\\u202eb"',
    '\u200b\ufeff\u00ad': '"\\u200b\\ufeff\\u00ad"',
    '\u007f\u0085\u2028': '"\\u007f\\u0085\\u2028"',
    '\u{e0041}': '"\\udb40\\udc41"',
    // Of a family and of a Persian word.
    '👩‍👧 می‌خواهم': '"👩‍👧 می‌خواهم"',
  };
  for (const [text, json] of Object.entries(shown)) {
    assert.equal(scalarText(text), json);
    assert.equal(JSON.parse(json), text);
  }
  assert.equal(visible('{\n  "a": 1\n}'), '{\n  "a": 1\n}');
});

test('numbers that JSON.stringify loses are shown', () => {
  assert.deepEqual([-0, 0, 12345678901234567890n, -1.5, null, true].map(scalarText), [
    '-0',
    '0',
    '12345678901234567890',
    '-1.5',
    'null',
    'true',
  ]);
  assert.equal(floatWord({ $float: '-Infinity' }), '-Infinity');
  for (const other of [{ $float: 'NaN', a: 1 }, { $float: 'one' }, { $float: {} }, {}, null, 'NaN']) {
    assert.equal(floatWord(other), undefined);
  }
});

test('a comment of a megabyte is cut and takes no time', () => {
  const began = performance.now();
  for (const part of ['a', '`', '*', '- ', '\n', 'https://', '**a']) {
    assert.ok(JSON.stringify(blocksOf(part.repeat(1_000_000 / part.length))).length < 400_000);
  }
  assert.ok(performance.now() - began < 2_000);
});

for (const place of [
  {},
  { service: 'calculator', method: undefined },
  { service: 'calculator', method: 'add' },
  { object: 12, method: 'update' },
  { service: 's', method: 'm', params: { text: 'a?b.c#d&%€', n: 12345678901234567890n } },
]) {
  test(`an address and back: ${formatPlace(place)}`, () => {
    const { service, object, method, params } = parsePlace(formatPlace(place));
    assert.deepEqual(
      { service, object, method, params },
      { service: undefined, object: undefined, method: undefined, params: undefined, ...place },
    );
  });
}

test('an address that somebody cut still leads to its method', () => {
  assert.deepEqual(parsePlace('#a.b?%7B%22x'), { service: 'a', method: 'b' });
  assert.deepEqual(parsePlace('#%'), { service: undefined, method: undefined });
});

const text = (name, more) => ({ name, type: 'Text', shape: { kind: 'text' }, ...more });
const DESCRIPTION = {
  interface: 'Book',
  doc: 'Keeps people.',
  methods: [{ name: 'find', doc: 'By the whole name.', signature: '', params: [], results: [] }],
  structs: {
    Person: { doc: 'Someone.', fields: [text('phoneNumber', { doc: 'As dialled.' })], union: [] },
    Deep: {
      fields: [
        { name: 'inner', type: 'List(Secret)', shape: { kind: 'list', element: { kind: 'struct', name: 'Secret' } } },
      ],
      union: [],
    },
    Secret: {
      fields: [
        text('pin', { sensitive: true }),
        { name: 'next', type: 'Deep', shape: { kind: 'struct', name: 'Deep' } },
      ],
      union: [],
    },
  },
  enums: { Change: { doc: '', values: [{ name: 'added', number: 0 }] } },
  interfaces: { Listener: { doc: 'Is told.', methods: [{ name: 'changed', signature: '', params: [], results: [] }] } },
};

test('everything is found, the name before the comment', () => {
  const search = new Search();
  search.add('book', DESCRIPTION);
  const found = (query, more) =>
    search.find(query, more).map(({ kind, name, place, type }) => [kind, name, place ?? type]);
  assert.deepEqual(found('find'), [['method', 'find', '#book.find']]);
  assert.deepEqual(found('PERSON')[0], ['struct', 'Person', 'Person']);
  assert.deepEqual(found('dialled'), [['member', 'phoneNumber', 'Person']]);
  assert.deepEqual(found('listener changed'), [['method', 'changed', 'Listener']]);
  assert.deepEqual(found('added'), [['value', 'added', 'Change']]);
  const object = { label: 'find("Ann").updater', number: 3, service: 'book', interfaceName: 'Updater' };
  assert.deepEqual(found('ann', objectHits([object])), [['object', object.label, '3']]);
  assert.deepEqual(found(' '), []);
  assert.deepEqual(found('nothing at all'), []);
  // `Outer.Counter` is what is called so, and not merely holds one.
  const fields = [{ name: 'counter', type: 'Outer.Counter', shape: { kind: 'struct', name: 'Outer.Counter' } }];
  const structs = { Holder: { fields, union: [] }, 'Outer.Counter': { fields: [], union: [] } };
  search.add('nested', { doc: '', methods: [], structs, enums: {}, interfaces: {} });
  for (const query of ['counter', 'count', 'outer.counter']) {
    assert.deepEqual(found(query)[0], ['struct', 'Outer.Counter', 'Outer.Counter'], query);
  }
});

test('secrets are found at every depth of types that contain themselves', () => {
  const redaction = new Redaction(DESCRIPTION);
  const deep = { name: 'deep', type: 'Deep', shape: { kind: 'struct', name: 'Deep' } };
  const value = { inner: [{ pin: 'one' }, { pin: '', next: { inner: [{ pin: 'two' }] } }] };
  const shown = redaction.value(value, deep, '$.deep');
  assert.deepEqual(shown, { inner: [{ pin: MASK }, { pin: '', next: { inner: [{ pin: MASK }] } }] });
  assert.deepEqual(redaction.paths, ['$.deep.inner[0].pin', '$.deep.inner[1].next.inner[0].pin']);
  assert.equal(redaction.text('one and two'), `${MASK} and ${MASK}`);
  const plain = { name: 'p', type: 'Person', shape: { kind: 'struct', name: 'Person' } };
  const same = { phoneNumber: '5' };
  assert.equal(redaction.value(same, plain, '$'), same);
});

const ENTRY = {
  n: 1,
  at: 0,
  kind: 'call',
  title: '',
  status: 'ok',
  service: 'vault',
  method: 'open',
  target: 'vault',
  params: { user: "o'Neil", pin: MASK },
  meta: { idempotency_key: 'k' },
  timeout_ms: 2500,
};

for (const login of ['', 'Bearer', 'Basic']) {
  for (const language of LANGUAGES) {
    test(`${language} has secrets and credentials as variables (${login || 'nobody is logged in'})`, () => {
      const written = snippet(language, ENTRY, { url: 'http://h:1', session: 'SESSION', login });
      assert.match(written, /PIN/);
      assert.ok(!written.includes(MASK) && !written.includes('\ue000'), written);
      assert.ok(!written.includes('SESSION'), 'a call of a service needs no session');
      const named = { Bearer: /CARA_GATEWAY_KEY/, Basic: /CARA_GATEWAY_BASIC/ }[login];
      if (named && language !== 'JSON-RPC' && !(language === 'CLI' && login === 'Bearer')) {
        assert.match(written, named);
      }
    });
  }
}

test('secrets that are no texts are read as JSON, and those of one name by their path', () => {
  const params = { a: { pin: MASK, pins: MASK }, b: { pin: MASK } };
  const entry = { ...ENTRY, params, meta: {}, untexted: ['$.a.pins'] };
  const of = (language) => snippet(language, entry, { url: 'http://h:1', login: '' });
  assert.match(of('Python'), /"pins": json\.loads\(os\.environ\["PINS"\]\)/);
  assert.match(of('Python'), /"b": \{"pin": os\.environ\["B_PIN"\]\}/);
  assert.match(of('JavaScript'), /"pins": JSON\.parse\(globalThis\.process\?\.env\.PINS \?\? prompt\('PINS'\)\)/);
  assert.match(of('curl'), /"pins":'"\$PINS"'\}/);
  assert.match(of('JSON-RPC'), /"pins":\$PINS\}/);
});

test('a call of an object has its session', () => {
  const entry = { ...ENTRY, target: '@t1', method: 'Updater.update', params: {} };
  for (const language of LANGUAGES.slice(0, 4)) {
    assert.match(snippet(language, entry, { url: 'http://h:1', session: 'SESSION', login: '' }), /SESSION/);
  }
});

test('what is said beside a call stands in JavaScript, too', () => {
  assert.match(snippet('JavaScript', ENTRY, { url: 'http://h:1', login: '' }), /"Idempotency-Key": "k"/);
  assert.match(snippet('JavaScript', { ...ENTRY, meta: {} }, { url: 'http://h:1', login: '' }), /timeout: 2500/);
});

test('a call with a callback is for who stays', () => {
  const entry = { ...ENTRY, params: { on: { $callback: 'x' } } };
  const surroundings = { url: 'https://h:1/gw', session: 'SESSION', login: '' };
  for (const language of ['curl', 'CLI']) {
    assert.match(obstacle(language, entry), /use JavaScript or Python/);
  }
  for (const language of ['JavaScript', 'Python', 'JSON-RPC']) {
    assert.equal(obstacle(language, entry), '');
  }
  const written = snippet('JavaScript', entry, surroundings);
  assert.match(written, /\(\.\.\.args\) =>/);
  assert.match(written, /connect\(/);
  assert.match(snippet('Python', entry, surroundings), /"wss:\/\/h:1\/gw\/ws"/);
  assert.doesNotMatch(snippet('Python', entry, surroundings), /SESSION/);
  for (const object of [
    { ...entry, target: '@t1' },
    { ...entry, params: { ...entry.params, of: { $handle: 't1' } } },
  ]) {
    assert.match(obstacle('JavaScript', object), /use Python/);
    assert.match(snippet('Python', object, surroundings), /"session": "SESSION"/);
  }
  assert.equal(variableName('accessPin-2'), 'ACCESS_PIN_2');
});

test('the wire tells each message of a frame by itself', () => {
  const told = [];
  const tell = (what) => (id, written) => told.push([what, id, written]);
  const wire = new Wire({
    called: tell('called'),
    answer: tell('answer'),
    request: tell('request'),
    replied: tell('replied'),
    calledOff: (id) => told.push(['calledOff', id]),
  });
  wire.wrote('{"jsonrpc":"2.0","id":0,"method":"rpc.hello","params":{}}');
  wire.wrote('[{"id":"a","method":"x.y"},{"method":"rpc.ack"},{"id":"g:1","result":1}]');
  wire.read('[{"id":"a","result":12345678901234567890},{"id":"g:2","method":"!c.d","params":[]}]');
  wire.read('{"method":"rpc.cancel","params":{"id":"g:2"}}');
  wire.read('no json');
  assert.deepEqual(told, [
    ['called', 'a', '{"id":"a","method":"x.y"}'],
    ['replied', 'g:1', '{"id":"g:1","result":1}'],
    ['answer', 'a', '{"id":"a","result":12345678901234567890}'],
    ['request', 'g:2', '{"id":"g:2","method":"!c.d","params":[]}'],
    ['calledOff', 'g:2'],
  ]);
});

test('bytes are counted as UTF-8', () => {
  assert.equal(byteLength('aé€😀'), 10);
});
