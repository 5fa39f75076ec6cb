// What docs/client.md shows is true and compiles, and what the READMEs show compiles: its blocks run as one program against a demo. A comment behind a statement says what
// its value is as JSON (`// → 7`), or the beginning of its error (`// throws code at path: message`).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
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

const TSC = fileURLToPath(new URL('node_modules/.bin/tsc', import.meta.url));
// What a page has around the listings.
const SURROUNDINGS = `
declare function useEffect(effect: () => () => void, dependencies: unknown[]): void;
declare function setGateway(gateway: unknown): void;
`;
// Wrong on purpose, to show an error.
const REFUSED = "await calculator.add('two', 5);";
const SERVICES = ['calculator', 'addressbook'];

/** The listings of a page as one module: imports stand once, and what is shown again is in a block of its own. */
function listings(page, services) {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8');
  let source = [...text.matchAll(/^```[jt]s\n(.*?)^```$/gms)].map(([, block]) => block).join('\n');
  assert.ok(source.includes('await connect('));
  const imports = new Set(source.match(/^import .*$/gm));
  source = source.replace(/^import .*$/gm, '').replace(/\n(const book = .*;\nconst person = [^]*?\n)\n/, '\n{\n$1}\n');
  for (const name of services) {
    imports.add(`import type { Root as ${name} } from './${name}.d.ts';`);
    source = source.replaceAll(`.service('${name}')`, `.service<${name}>('${name}')`);
  }
  if (services.length > 0) {
    source = source.replace(REFUSED, `// @ts-expect-error\n${REFUSED}`);
  }
  return [...imports].join('\n').replaceAll('/client/index.js', 'cara-gateway-client') + source;
}

test('every listing compiles under --strict, with the types of the services and without', async () => {
  const demo = await startDemo();
  const folder = mkdtempSync(path.join(tmpdir(), 'listings-'));
  const write = (name, text) => writeFileSync(path.join(folder, name), text);
  try {
    const programs = ['README.md', 'static/client/README.md', 'docs/client.md'].flatMap((page, number) =>
      [[], SERVICES].map((services) => {
        const name = `${number}-${services.length}.ts`;
        write(name, listings(page, services));
        return name;
      }),
    );
    for (const name of SERVICES) {
      const types = await (await fetch(`${demo.url}/types/${name}.d.ts`)).text();
      write(`${name}.d.ts`, types.replace('../client/index.js', 'cara-gateway-client'));
    }
    write('package.json', '{"type": "module"}');
    write('surroundings.d.ts', SURROUNDINGS);
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(fileURLToPath(new URL('.', CLIENT)), path.join(folder, 'node_modules/cara-gateway-client'));
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext'];
    options.push('--allowImportingTsExtensions', '--lib', 'es2022,esnext,dom');
    const { stdout } = spawnSync(TSC, [...options, 'surroundings.d.ts', ...programs], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(stdout, '');
  } finally {
    rmSync(folder, { recursive: true });
    await demo.stop();
  }
});
