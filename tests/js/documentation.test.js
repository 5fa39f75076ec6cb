// What docs/client.md shows is true: its blocks run as one program against a demo. A comment behind a statement says what
// its value is as JSON (`// → 7`), or the beginning of its error (`// throws code at path: message`).
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startDemo } from './demo.js';

const DOCUMENT = new URL('../../docs/client.md', import.meta.url);
const CLIENT = new URL('../../static/client/index.js', import.meta.url);
const CLAIM = /^(.*?);\s*\/\/ (→|throws) (.+)$/;

/** The program of a document; checks call `shows` and `throws`. */
function program(text, url) {
  const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)];
  let claims = 0;
  const lines = blocks.flatMap((block) => {
    const first = text.slice(0, block.index).split('\n').length + 1;
    return block[1].split('\n').map((line, index) => {
      const [, statement, kind, claim] = CLAIM.exec(line) ?? [];
      if (statement === undefined) {
        return line;
      }
      claims++;
      const check = kind === '→' ? 'shows' : 'throws';
      return `await globalThis.documentation.${check}(async () => ${statement}, ${JSON.stringify(claim)}, ${first + index});`;
    });
  });
  const source = lines.join('\n').replaceAll('/client/index.js', CLIENT.href).replaceAll('http://127.0.0.1:8080', url);
  return { source, claims };
}

const checks = {
  made: 0,
  async shows(run, claim, line) {
    checks.made++;
    assert.equal(JSON.stringify(await run()), claim, `line ${line}`);
  },
  async throws(run, claim, line) {
    checks.made++;
    let said = 'nothing is thrown';
    try {
      await run();
    } catch ({ code, path, message }) {
      said = `${code}${path ? ` at ${path}` : ''}: ${message}`;
    }
    assert.ok(said.startsWith(claim), `line ${line}: ${said}`);
  },
};

test('every example of docs/client.md is true', async () => {
  const demo = await startDemo();
  const file = fileURLToPath(new URL(`documentation-${process.pid}.mjs`, import.meta.url));
  try {
    const { source, claims } = program(readFileSync(DOCUMENT, 'utf8'), demo.url);
    writeFileSync(file, source);
    globalThis.documentation = checks;
    await import(file);
    assert.ok(claims > 15);
    assert.equal(checks.made, claims);
  } catch (error) {
    // The connection of a program that ended half way would keep this process for ever.
    setTimeout(() => process.exit(1), 1000).unref();
    throw error;
  } finally {
    rmSync(file);
    await demo.stop();
  }
});
