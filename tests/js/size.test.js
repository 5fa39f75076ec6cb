// What the client weighs, and that it works where it is installed as a package.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const CLIENT = fileURLToPath(new URL('../../static/client/', import.meta.url));
const MODULES = fileURLToPath(new URL('./node_modules/', import.meta.url));
const MOST_BYTES = 11 * 1024;

test('the client takes less than 11 KiB, minified and compressed', async () => {
  const { outputFiles } = await build({
    entryPoints: [`${CLIENT}index.js`],
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  const bytes = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  console.log(`${bytes} bytes`);
  assert.ok(bytes < MOST_BYTES, `${bytes} bytes`);
});

test('the package works from an empty project', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'client-'));
  const run = (file, ...args) => execFileSync(file, args, { cwd: folder, encoding: 'utf8' });
  try {
    const packed = run('npm', 'pack', '--silent', CLIENT).trim();
    writeFileSync(path.join(folder, 'package.json'), '{"private": true, "type": "module"}');
    run('npm', 'install', '--silent', '--offline', '--no-audit', '--no-fund', '--legacy-peer-deps', `./${packed}`);
    cpSync(path.join(MODULES, 'ws'), path.join(folder, 'node_modules/ws'), { recursive: true });
    writeFileSync(
      path.join(folder, 'program.ts'),
      `import { connect, GatewayError, type Gateway } from 'cara-gateway-client';
       const gateway: Gateway = await connect('http://127.0.0.1:1').catch((error: GatewayError) => {
         console.log(error.code);
         throw error;
       });
       gateway.close();`,
    );
    writeFileSync(
      path.join(folder, 'program.js'),
      `import { connect } from 'cara-gateway-client';
       await connect('http://127.0.0.1:1').catch((error) => console.log(error.code));`,
    );
    assert.equal(run('node', 'program.js'), 'unavailable\n');
    run(
      path.join(MODULES, '.bin/tsc'),
      ...['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--lib', 'es2022,esnext,dom'],
      'program.ts',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
