import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import ts from 'typescript';
import { NAME, PKG, ROOT, filesIn, pack, program, targets } from './pack.js';

const run = promisify(execFile);
const { files, folder, manifest, tarball } = pack();
const WASM = [
  'glue.js', 'glue.d.ts', 'inline.js', 'inline.d.ts', 'module.wasm', 'redis-commit.js', 'redis-commit.d.ts',
];

test('the tarball holds every module of ours with its types, and nothing that is not for users', () => {
  const folders = ['binding', 'conformance', 'hosts', 'load', 'relays'];
  const modules = readdirSync(PKG, { recursive: true, encoding: 'utf8' }).filter((path) => (
    path.endsWith('.js') && (!path.includes('/') || folders.includes(path.split('/')[0]))));
  const command = filesIn(join(PKG, 'cli')).map((path) => `cli/${path}`); // which nobody imports
  const expected = [
    ...modules, ...command, ...modules.map((path) => path.replace(/\.js$/, '.d.ts')), 'types.d.ts',
    ...WASM.map((name) => `wasm/${name}`), 'package.json', 'README.md', 'LICENSE',
  ].sort();
  assert.deepEqual(files, expected);
});

test('the README and the licence in the tarball are those of the repository', () => {
  for (const name of ['README.md', 'LICENSE']) {
    assert.equal(readFileSync(join(folder, name), 'utf8'), readFileSync(join(ROOT, name), 'utf8'), name);
  }
});

test('every file that the exports name is there, each with its types first and a default last', () => {
  for (const [entry, part] of Object.entries(manifest.exports)) {
    for (const { target } of targets(part)) assert.ok(existsSync(join(folder, target)), `${entry}: ${target}`);
    if (entry === './package.json') continue;
    const conditions = Object.keys(part);
    assert.equal(conditions[0], 'types', entry);
    assert.equal(conditions.at(-1), 'default', entry);
  }
  assert.deepEqual(Object.keys(manifest.exports).slice(0, 4), ['.', './slim', './module.wasm', './indexeddb']);
});

test('every runtime gets the loader that is meant for it', () => {
  const { types, ...loaders } = manifest.exports['.'];
  assert.deepEqual(Object.entries(loaders), [
    ['workerd', './load/workerd.js'], ['default', './load/inline.js'],
  ]);
});

test('a bundler that drops modules without effects keeps those that load the wasm', () => {
  assert.deepEqual(manifest.sideEffects, ['./load/*.js']);
  for (const { target } of targets(manifest.exports['.'])) {
    if (target.endsWith('.js')) assert.match(target, /^\.\/load\/[^/]+$/);
  }
});

test('everything that a shipped file imports is shipped', () => {
  for (const path of files.filter((name) => /\.(js|d\.ts)$/.test(name))) {
    for (const { fileName } of ts.preProcessFile(readFileSync(join(folder, path), 'utf8'), true, true).importedFiles) {
      if (fileName === NAME) {
        assert.match(path, /^conformance\//, `${path} imports the package by its name`);
        continue;
      }
      if (/^cborg(\/|$)/.test(fileName)) {
        assert.match(path, /^hosts\/shared\/codec\./, `${path} imports ${fileName}`);
        continue;
      }
      if (/^cli\//.test(path) && /^node:/.test(fileName)) continue;
      assert.match(fileName, /^\./, `${path} imports ${fileName}`);
      const target = normalize(join(dirname(path), fileName)).replaceAll('\\', '/');
      const found = path.endsWith('.d.ts') ? target.replace(/\.js$/, '.d.ts') : target;
      assert.ok(files.includes(found), `${path} imports ${fileName}`);
    }
  }
});

test('the module that is inlined is the one in the wasm file', async () => {
  const { wasm } = await import(join(folder, 'wasm/inline.js'));
  assert.ok(Buffer.from(wasm()).equals(readFileSync(join(folder, 'wasm/module.wasm'))));
});

test('the module names no folder of the machine that built it', () => {
  const module = readFileSync(join(folder, 'wasm/module.wasm'), 'latin1');
  assert.ok(module.includes('futures-util'), 'it names the places in crates where it may panic');
  for (const place of [homedir(), ROOT]) assert.ok(!module.includes(place), place);
});

test('the manifest says whose it is, where its source is, and what it runs on', () => {
  const cargo = readFileSync(join(ROOT, 'Cargo.toml'), 'utf8');
  const field = (/** @type {string} */ key) => cargo.match(new RegExp(`^${key} = "(.*)"$`, 'm'))?.[1];
  assert.equal(manifest.name, NAME);
  assert.equal(manifest.version, field('version'));
  assert.equal(manifest.description, field('description'));
  assert.equal(manifest.license, field('license'));
  assert.equal(manifest.repository.type, 'git');
  assert.equal(manifest.repository.url, `git+${field('repository')}.git`);
  assert.equal(manifest.type, 'module');
  assert.equal(manifest.engines.node, '>=20');
  for (const kind of ['peerDependencies', 'optionalDependencies', 'scripts']) {
    assert.equal(manifest[kind], undefined, kind);
  }
  const { cborg } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).devDependencies;
  assert.deepEqual(manifest.dependencies, { cborg });
});

test('publint has nothing to say about the tarball', async () => {
  await clean('publint', ['--strict', tarball]);
});

test('the types resolve for every way of importing, as arethetypeswrong finds', async () => {
  await clean('attw', ['--profile', 'esm-only', '--no-definitely-typed', '--no-emoji', tarball]);
});

/**
 * Runs one of the installed commands, which must have nothing to complain about.
 *
 * @param {string} command
 * @param {string[]} args
 */
async function clean(command, args) {
  try {
    await run(/** @type {string} */ (program([`.bin/${command}`])), args, { env: { ...process.env, NO_COLOR: '1' } });
  } catch (error) {
    const { stdout, stderr } = /** @type {any} */ (error);
    assert.fail(`${command}:\n${stdout}${stderr}`);
  }
}
