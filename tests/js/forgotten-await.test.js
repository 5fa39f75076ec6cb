// A call where a value should stand: the page is told what it forgot, and the service is asked for nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { inspect } from 'node:util';

import { failure, settle } from './fakes.js';
import { Scripted, handle } from './scripted.js';

const USES = {
  'a template': (call) => `${call}`,
  'a text': (call) => call + '',
  'a sum': (call) => call + 1,
  'a comparison': (call) => call > 5,
  'an equation': (call) => call == 7,
  String: (call) => String(call),
  Number: (call) => Number(call),
  'a key': (call) => ({})[call],
  join: (call) => [1, call].join(),
  'JSON.stringify': (call) => JSON.stringify({ call }),
  toString: (call) => call.toString(),
  valueOf: (call) => call.valueOf(),
  toLocaleString: (call) => [call].toLocaleString(),
};

for (const [what, use] of Object.entries(USES)) {
  test(`${what} of a call says that it was not awaited`, async () => {
    const scripted = new Scripted();
    const calculator = scripted.gateway.service('calculator');
    assert.throws(() => use(calculator.add(2, 5)), {
      name: 'TypeError',
      message: 'calculator.add(…) was not awaited',
    });
    assert.throws(() => use(calculator.find('Ann').name), { message: 'calculator.find(…).name was not awaited' });
    assert.deepEqual(await scripted.sent(), [
      ['calculator.add', [2, 5]],
      ['calculator.find', ['Ann']],
    ]);
  });
}

test('printing a call, a member of it, an object or a service sends nothing', async () => {
  const scripted = new Scripted();
  const calculator = scripted.gateway.service('calculator');
  const call = calculator.value(7);
  assert.match(inspect(call), /^Promise/);
  assert.match(inspect(call.name), /^\[Function/);
  assert.equal(inspect(calculator), '[remote calculator]');
  await scripted.answers(1, handle('t1'));
  assert.equal(inspect({ value: await call }), '{ value: [remote Calculator.Value] }');
  assert.equal((await scripted.sent()).length, 1);
});

test('the result of a printed call is still there to be awaited', async () => {
  const scripted = new Scripted();
  const call = scripted.gateway.service('calculator').add(2, 5);
  inspect(call);
  assert.throws(() => `${call}`);
  await scripted.answers(1, 7);
  assert.equal(await call, 7);
});

/** What a node of its own says that runs a program against a scripted gateway. */
function run(program) {
  const source = `
    import { Scripted } from '${new URL('scripted.js', import.meta.url)}';
    import { settle } from '${new URL('fakes.js', import.meta.url)}';
    const scripted = new Scripted();
    const service = scripted.gateway.service('s');
    ${program}
    await settle();
    await settle();
    console.log('alive', scripted.written.length);
    scripted.gateway.close();`;
  const { status, stdout, stderr } = spawnSync('node', ['--input-type=module', '-e', source], { encoding: 'utf8' });
  return [status, stdout || stderr];
}

test('a failure of a call that was forgotten to be awaited, and told so, does not end a program', () => {
  const program = `
    try { \`\${service.add('bad')}\`; } catch {}
    await scripted.fails(1, 'invalid_argument');`;
  assert.deepEqual(run(program), [0, 'alive 1\n']);
});

test('a failure that the call which builds on it has told does not end a program', () => {
  const program = `
    const call = service.make(['bad']).self();
    const code = call.catch(({ code }) => code);
    await scripted.fails(1, 'invalid_argument');
    await scripted.fails(2, 'invalid_argument');
    if ((await code) !== 'invalid_argument') throw new Error(await code);
    const argument = service.use(service.make());
    const failed = argument.catch(({ code }) => code);
    await scripted.fails(3, 'not_found');
    await scripted.fails(4, 'not_found');
    if ((await failed) !== 'not_found') throw new Error(await failed);`;
  assert.deepEqual(run(program), [0, 'alive 4\n']);
});

test('a failure that nobody asked for ends a program, as that of every promise', () => {
  const [status, said] = run(`service.add('bad'); await scripted.fails(1, 'invalid_argument');`);
  assert.equal(status, 1);
  assert.match(said, /invalid_argument/);
});

test('the stack of an error begins where the call was made', async () => {
  const scripted = new Scripted();
  const service = scripted.gateway.service('s');
  async function caller() {
    const call = service.add('bad');
    call.catch(() => {});
    await scripted.fails(1, 'invalid_argument', 'two is no number');
    await call;
  }
  async function callerOfCall() {
    const call = service.$call('add', ['bad']);
    call.catch(() => {});
    await scripted.fails(2, 'invalid_argument', 'two is no number');
    await call;
  }
  async function callerOfPlace() {
    const call = service.find().updater.update();
    call.catch(() => {});
    await scripted.answers(3, { updater: handle('t1') });
    await scripted.fails(4, 'invalid_argument', 'two is no number');
    await call;
  }
  for (const place of [caller, callerOfCall, callerOfPlace]) {
    const [head, first] = (await failure(place())).stack.split('\n');
    assert.equal(head, 'GatewayError: two is no number');
    assert.match(first, new RegExp(`at .*${place.name} .*forgotten-await\\.test\\.js`));
  }
});

test('the stack of an error that is found before anything is sent begins there, too', async () => {
  const scripted = new Scripted();
  const error = await failure(scripted.gateway.service('s').add(Symbol('x')));
  assert.match(error.stack.split('\n')[1], /forgotten-await\.test\.js/);
  await settle();
});
