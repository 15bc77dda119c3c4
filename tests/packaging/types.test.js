import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import ts from 'typescript';
import { ROOT, project, text } from './pack.js';

const EVERYWHERE = ['storage.ts', 'queue.ts', 'wrong.ts'];
const IN_BROWSERS = [...EVERYWHERE, 'browser.ts', 'browser-wrong.ts', 'relays.ts'];
const names = new Set([...IN_BROWSERS, 'dispose.ts', 'clients.ts']);
const home = project(Object.fromEntries([...names].map((name) => [name, text(`consumer/${name}`)])));

/** @type {Map<string, ts.SourceFile | undefined>} */
const parsed = new Map();

for (const [resolution, module] of /** @type {const} */ ([['bundler', 'esnext'], ['nodenext', 'nodenext']])) {
  for (const [where, lib, sources] of /** @type {const} */ ([
    ['without a browser', ['es2022'], EVERYWHERE],
    ['in a page', ['es2022', 'dom', 'dom.iterable'], IN_BROWSERS],
    ['in a service worker', ['es2022', 'webworker', 'webworker.iterable'], IN_BROWSERS],
    ['with what is newest', ['esnext', 'dom', 'dom.iterable', 'dom.asynciterable'], [...IN_BROWSERS, 'dispose.ts']],
  ])) {
    test(`a strict program ${where} compiles with ${resolution} resolution, and its mistakes are found`, () => {
      const found = complaints(sources, { resolution, module, lib });
      assert.equal(found, '', found);
    });
  }
}

test('the hosts and relays take the clients of the libraries that they are for', () => {
  for (const name of ['@types', 'classic-level', 'memory-level', 'redis', 'ioredis', 'nodemailer']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(home, 'node_modules', name));
  }
  const lib = ['es2023', 'dom', 'esnext.disposable'];
  const settings = { resolution: 'nodenext', module: 'nodenext', lib, types: ['node'], skipLibCheck: true };
  const found = complaints(['clients.ts'], settings);
  assert.equal(found, '', found);
});

test('the types are looked at: a mistake that nobody expects is a complaint', () => {
  const settings = { resolution: 'bundler', module: 'esnext', lib: ['es2022'] };
  const found = complaints(['wrong.ts'], settings, (source) => source.replaceAll('// @ts-expect-error', '//'));
  const expected = text('consumer/wrong.ts').split('// @ts-expect-error').length - 1;
  assert.ok(expected > 30);
  assert.ok(found.split('\n').filter((line) => /error TS/.test(line)).length >= expected, found);
});

/**
 * What the compiler has against some files of the project, the declarations of the package included.
 *
 * @param {readonly string[]} sources
 * @param {{ resolution: string, lib: readonly string[] } & Record<string, unknown>} settings
 * @param {(source: string) => string} [edit] changes a source before it is read
 */
function complaints(sources, { resolution, ...settings }, edit) {
  const { options, errors } = ts.convertCompilerOptionsFromJson({
    target: 'es2022', moduleResolution: resolution, types: [], strict: true, skipLibCheck: false, noEmit: true,
    exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true, verbatimModuleSyntax: true, isolatedModules: true, ...settings,
  }, home);
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile.bind(host);
  host.getCurrentDirectory = () => home;
  host.getSourceFile = (name, how, ...rest) => {
    if (edit && sources.some((source) => join(home, source) === name)) {
      return ts.createSourceFile(name, edit(ts.sys.readFile(name) ?? ''), how);
    }
    // The format of a module depends on the resolution; the libraries, which take longest, have none.
    const key = `${resolution} ${name}`;
    if (!parsed.has(key)) parsed.set(key, read(name, how, ...rest));
    return parsed.get(key);
  };
  const program = ts.createProgram(sources.map((name) => join(home, name)), options, host);
  return ts.formatDiagnostics([...errors, ...ts.getPreEmitDiagnostics(program)], host);
}
