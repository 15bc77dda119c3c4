import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import ts from 'typescript';
import { NAME, pack, project } from './pack.js';

const run = promisify(execFile);
const { files, folder } = pack();
const modules = files.filter((path) => path.endsWith('.js'));

test('no module of the package awaits anything at its top level', () => {
  assert.ok(modules.length > 8);
  for (const path of modules) assert.deepEqual(awaited(readFileSync(join(folder, path), 'utf8')), [], path);
});

test('an await at the top level is found wherever it stands', () => {
  const source = `
    await one;
    for await (const each of two);
    export const three = { [await three]: 3 };
    const four = async () => { await inside; for await (const each of inside); };
    class Five { static async method() { await inside; } [await five]() {} }
    if (six) { try { await six; } finally {} }
    await using seven = 7;`;
  assert.equal(awaited(source).length, 6);
});

const home = project({
  'traps.js': `
    export const touched = [];
    const put = [];
    for (const [object, names] of [
      [Crypto.prototype, ['getRandomValues', 'randomUUID', 'subtle']],
      [Math, ['random']],
      [Date, ['now']],
      [performance, ['now']],
      [globalThis, ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'indexedDB', 'BroadcastChannel']],
    ]) {
      for (const name of names) {
        const found = Object.getOwnPropertyDescriptor(object, name);
        const get = () => { touched.push(name); throw new Error(name + ' is not to be touched'); };
        Object.defineProperty(object, name, { configurable: true, get });
        put.push(() => (found ? Object.defineProperty(object, name, found) : delete object[name]));
      }
    }
    export const release = () => put.forEach((back) => back());`,
  'touching.js': 'try { crypto.getRandomValues(new Uint8Array(1)); } catch {} try { setTimeout(() => {}); } catch {}',
  'main.js': `
    import { release, touched } from './traps.js';
    const { DictStorage, init } = await import(process.argv[2]);
    release();
    let draws = 0;
    const draw = crypto.getRandomValues;
    crypto.getRandomValues = (bytes) => { draws++; return draw.call(crypto, bytes); };
    const written = DictStorage && !init ? new DictStorage().write({ sender: null, recipients: [] }, 0).length : 0;
    console.log(JSON.stringify({ touched, draws, written }));`,
});

test('the package touches neither randomness, clocks nor timers before a storage is used', async () => {
  assert.deepEqual(await imported(NAME), { touched: [], draws: 1, written: 32 });
});

test('the other entries touch nothing either when they are imported', async () => {
  for (const entry of ['slim', 'indexeddb', 'level', 'redis', 'deno-kv', 'durable-object', 'policies', 'relays']) {
    assert.deepEqual(await imported(`${NAME}/${entry}`), { touched: [], draws: 0, written: 0 }, entry);
  }
});

test('a storage from slim says what is missing as long as no module was given', async () => {
  const source = `import { DictStorage } from '${NAME}/slim';
    try { new DictStorage(); } catch ({ name, code, message }) { console.log(name, code, message); }`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', source], { cwd: home });
  assert.match(stdout, /^QueueError host .*init\(module\)/);
});

test('a module that does touch something is caught', async () => {
  assert.deepEqual((await imported('./touching.js')).touched, ['getRandomValues', 'setTimeout']);
});

/**
 * What a module touched while it was imported, and what the first write to a storage from it drew.
 *
 * @param {string} specifier
 */
async function imported(specifier) {
  const { stdout, stderr } = await run(process.execPath, ['main.js', specifier], { cwd: home });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

/**
 * The places where a module waits before it is loaded.
 *
 * @param {string} source
 * @returns {string[]}
 */
function awaited(source) {
  /** @type {string[]} */
  const found = [];
  const file = ts.createSourceFile('module.js', source, ts.ScriptTarget.ESNext, true, ts.ScriptKind.JS);
  /** @param {ts.Node} node */
  const look = (node) => {
    if (ts.isFunctionLike(node)) {
      // What is computed for its name belongs to what is around it.
      if (node.name && ts.isComputedPropertyName(node.name)) look(node.name);
      return;
    }
    const waits = ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier) ||
      (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.AwaitUsing) === ts.NodeFlags.AwaitUsing);
    if (waits) found.push(node.getText(file));
    ts.forEachChild(node, look);
  };
  look(file);
  return found;
}
