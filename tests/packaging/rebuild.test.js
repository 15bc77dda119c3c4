import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync, existsSync, lstatSync, readFileSync, readdirSync, symlinkSync, utimesSync, writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { EXPECTED } from './exercise.js';
import { PKG, ROOT, filesIn, temporary, text } from './pack.js';

const run = promisify(execFile);
const NOT_COPIED = ['.git', 'node_modules', 'target', 'benches/target', 'www/dist'];

test('make pkg mends what a plain wasm-pack build does to the package', async () => {
  const copy = copyOfTheRepository();
  const pkg = join(copy, 'pkg');
  const crates = `${process.env.CARGO_HOME ?? join(homedir(), '.cargo')}/registry/src/`;
  const env = {
    ...process.env, PATH: `${homedir()}/.cache/slimta-queue-dict/bin:${process.env.PATH}`,
    // Not the folder that the repository itself is built in: the two would take each other's results for their own.
    CARGO_TARGET_DIR: join(ROOT, 'target', 'packaging'), MAKEFLAGS: '',
    // As `make pkg` has it, so that the second build finds what the first one has compiled.
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: `--remap-path-prefix=${crates}=`,
  };
  const before = kept(pkg);
  // As after a `make pkg` that had nothing to complain about: only what wasm-pack changed is a reason to build again.
  const built = join(pkg, 'wasm/.built');
  writeFileSync(built, '');
  const future = new Date(Date.now() + 60_000);
  utimesSync(built, future, future);

  await run('wasm-pack', ['--log-level', 'warn', 'build', '--mode', 'no-install'], { cwd: copy, env });
  assert.equal(manifest(pkg).exports, undefined, 'wasm-pack writes a package.json of its own');
  assert.ok(existsSync(join(pkg, '.gitignore')) && existsSync(join(pkg, 'slimta_queue_dict_bg.wasm')));

  // -o: the modules are a link to those of the repository, which stay as they are.
  const log = await run('make', ['-o', 'node_modules/.package-lock.json', 'pkg'], { cwd: copy, env })
    .catch((error) => {
      // Whether the package is small enough is for `make pkg` in the repository to say.
      if (!String(error.stdout).includes('TOO LARGE')) throw error;
      return error;
    });
  assert.match(log.stdout, /making the package/);

  const made = manifest(pkg);
  assert.deepEqual(made.exports, JSON.parse(readFileSync(join(pkg, 'manifest.json'), 'utf8')).exports);
  assert.deepEqual(made, manifest(PKG));
  assert.deepEqual(readdirSync(join(pkg, 'wasm')).filter((name) => name.startsWith('.git')), []);
  assert.deepEqual(kept(pkg), before);

  const pack = ['pack', '--dry-run', '--json', '--offline', '--ignore-scripts'];
  const { stdout } = await run('npm', pack, { cwd: pkg, env });
  const packed = JSON.parse(stdout)[0].files.map((/** @type {{ path: string }} */ { path }) => path);
  assert.ok(packed.includes('wasm/module.wasm') && packed.includes('wasm/inline.js'), String(packed));

  writeFileSync(join(copy, 'exercise.js'), text('exercise.js'));
  const script = `import * as api from './pkg/load/inline.js'; import { exercise } from './exercise.js';
    console.log(JSON.stringify(await exercise(api)));`;
  const answer = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: copy });
  assert.deepEqual(JSON.parse(answer.stdout), EXPECTED);
});

/** The repository as it is now, built package included, outside of it. */
function copyOfTheRepository() {
  const copy = temporary();
  const left = NOT_COPIED.map((path) => join(ROOT, path));
  // With their times: what is newer than what decides what is made again.
  cpSync(ROOT, copy, {
    recursive: true, preserveTimestamps: true,
    filter: (path) => !left.includes(path) && (lstatSync(path).isFile() || lstatSync(path).isDirectory()),
  });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/**
 * The files in a package, but for the mark that `make` leaves there.
 *
 * @param {string} pkg
 */
function kept(pkg) {
  return filesIn(pkg).filter((path) => path !== 'wasm/.built');
}

/** @param {string} pkg */
function manifest(pkg) {
  return JSON.parse(readFileSync(join(pkg, 'package.json'), 'utf8'));
}
