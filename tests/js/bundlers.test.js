// The package as the field's bundlers take it: none says a word, and what they make works.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import * as esbuild from 'esbuild';
import * as vite from 'vite';
import webpack from 'webpack';

const CLIENT = fileURLToPath(new URL('../../static/client/', import.meta.url));
const PROGRAM = `
import { connect } from 'cara-gateway-client';
class Refusing extends EventTarget {
  constructor() {
    super();
    setTimeout(() => this.dispatchEvent(Object.assign(new Event('close'), { code: 1006, reason: '' })));
  }
  close() {}
}
connect('http://127.0.0.1:1', { WebSocket: Refusing }).catch(({ code }) => console.log(code));
`;

let folder;

before(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'bundlers-'));
  mkdirSync(path.join(folder, 'node_modules'));
  cpSync(CLIENT, path.join(folder, 'node_modules/cara-gateway-client'), { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{"private": true, "type": "module"}');
  writeFileSync(path.join(folder, 'program.js'), PROGRAM);
});

after(() => rmSync(folder, { recursive: true }));

/** What the only program in a folder says. */
function run(output) {
  const [file] = readdirSync(output).filter((name) => /\.m?js$/.test(name));
  return execFileSync('node', [path.join(output, file)], { encoding: 'utf8' });
}

for (const format of ['esm', 'iife', 'cjs']) {
  test(`esbuild takes it as ${format}`, async () => {
    const outfile = path.join(folder, `esbuild-${format}`, format === 'cjs' ? 'out.cjs' : 'out.mjs');
    const { warnings, errors } = await esbuild.build({
      absWorkingDir: folder,
      entryPoints: ['program.js'],
      bundle: true,
      format,
      outfile,
      logLevel: 'silent',
    });
    assert.deepEqual([warnings, errors], [[], []]);
    assert.equal(execFileSync('node', [outfile], { encoding: 'utf8' }), 'unavailable\n');
  });
}

test('vite takes it', async () => {
  const said = [];
  const customLogger = {
    ...vite.createLogger('silent'),
    info: () => {},
    warn: (message) => said.push(message),
    warnOnce: (message) => said.push(message),
    error: (message) => said.push(message),
  };
  const outDir = path.join(folder, 'vite');
  await vite.build({
    root: folder,
    configFile: false,
    customLogger,
    build: {
      outDir,
      target: 'es2022',
      lib: { entry: path.join(folder, 'program.js'), formats: ['es'], fileName: 'out' },
      rollupOptions: { onwarn: (warning) => said.push(warning.message) },
    },
  });
  assert.deepEqual(said, []);
  assert.equal(run(outDir), 'unavailable\n');
});

for (const mode of ['development', 'production']) {
  test(`webpack takes it for ${mode}`, async () => {
    const output = path.join(folder, `webpack-${mode}`);
    const stats = await new Promise((resolve, reject) =>
      webpack(
        {
          context: folder,
          mode,
          entry: './program.js',
          output: { path: output, filename: 'out.js' },
          performance: { hints: 'warning' },
        },
        (error, result) => (error ? reject(error) : resolve(result)),
      ),
    );
    const { warnings, errors } = stats.toJson({ all: false, warnings: true, errors: true });
    assert.deepEqual([warnings, errors], [[], []]);
    assert.equal(run(output), 'unavailable\n');
  });
}
