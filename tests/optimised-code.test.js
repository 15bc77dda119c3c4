/** What V8 makes of calls into the module once it has optimised their callers. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

// V8's own functions, which a program has with `--allow-natives-syntax`, are no JavaScript: hence the text.
const PROGRAM = `
  import { DictStorage } from './pkg/load/inline.js';
  let [leaving, count] = [undefined, 0];
  class Dict extends Map {
    get(id) {
      if (leaving) {
        %DeoptimizeFunction(leaving);
        leaving = undefined;
        count++;
      }
      return super.get(id);
    }
  }
  const storage = new DictStorage(new Dict(), new Map());
  const id = storage.write({ sender: '', recipients: ['a'], headers: [], message: new Uint8Array(3) }, 1);
  for (let round = 0; round < 20; round++) {
    const get = (0, eval)('(storage, id) => storage.get(id)'); // another function each time
    %PrepareFunctionForOptimization(get);
    for (let i = 0; i < 100; i++) get(storage, id);
    %OptimizeFunctionOnNextCall(get);
    get(storage, id);
    leaving = get;
    if (get(storage, id)[0].recipients[0] !== 'a') throw new Error('not the message');
  }
  console.log(count);
`;

test('a call returns also where V8 leaves the optimised code of its caller meanwhile', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath, ['--allow-natives-syntax', '--input-type=module', '-e', PROGRAM],
    { cwd: fileURLToPath(new URL('../', import.meta.url)) },
  );
  assert.equal(stdout, '20\n');
});
