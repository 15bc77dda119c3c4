/** What a power cut leaves of the files of a program; `powercut/src/lib.rs` says what is modelled. */
import { execFile } from 'node:child_process';
import {
  copyFileSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const crate = fileURLToPath(new URL('powercut/', import.meta.url));
const target = fileURLToPath(new URL('../../target/powercut/', import.meta.url));
const library = join(target, 'release/libpowercut.so');
const PAGE = 4096;

/** What to say of a test that needs this: `false`, or why it is skipped. */
export const skip = process.platform === 'linux' ? false : 'power cuts are modelled on Linux only';
if (skip) console.log(`skipped: ${skip}`);

async function build() {
  const words = ['build', '--quiet', '--release', '--locked', '--target-dir', target];
  await promisify(execFile)('cargo', words, { cwd: crate });
}

/** The environment of a program on a disk that takes a second for each file of an extension that is synced. */
export async function slow(extension) {
  await build();
  return { POWERCUT_SLOW: extension, LD_PRELOAD: library };
}

/** A folder of files, `live`, that the power can be cut of. */
export class Disk {
  #folder = mkdtempSync(join(tmpdir(), 'powercut-'));
  live = join(this.#folder, 'live');
  #durable = join(this.#folder, 'durable');
  #synced = join(this.#folder, 'synced');

  static async open() {
    await build();
    return new Disk();
  }

  constructor() {
    for (const folder of [this.live, this.#durable, this.#synced]) mkdirSync(folder);
  }

  /** The environment of a program that uses it, on a file system that keeps names in order or on one that does not. */
  env(random) {
    return {
      POWERCUT_DISK: this.#folder, POWERCUT_NAMES: random.pick(['ordered', 'apart']),
      LD_PRELOAD: library,
    };
  }

  /**
   * Leaves of the files what a power cut leaves now: what is durable, and every other time some of what nobody has
   * waited for. No program may use them.
   */
  cut(random) {
    if (random.chance(2)) this.#writeBack('', random);
    rmSync(this.live, { recursive: true });
    rmSync(this.#synced, { recursive: true });
    renameSync(this.#durable, this.live);
    for (const folder of [this.#durable, this.#synced]) mkdirSync(folder);
    this.#keep('');
  }

  close() {
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /**
   * Of each file, any of the pages that have changed since it was synced, and a beginning of what was added: file
   * systems write data before they make a file longer.
   */
  #writeBack(folder, random) {
    for (const entry of readdirSync(join(this.#durable, folder), { withFileTypes: true })) {
      const name = join(folder, entry.name);
      if (entry.isDirectory()) {
        this.#writeBack(name, random);
        continue;
      }
      const [durable, live] = [join(this.#durable, name), join(this.live, name)];
      if (!isSameFile(join(this.#synced, keyOf(live)), durable)) continue;
      const [old, written] = [readFileSync(durable), readFileSync(live)];
      for (let at = 0; at < Math.min(old.length, written.length); at += PAGE) {
        if (random.chance(2)) written.copy(old, at, at, at + PAGE);
      }
      const added = written.subarray(old.length);
      rmSync(durable);
      writeFileSync(durable, Buffer.concat([old, added.subarray(0, random.below(added.length + 1))]));
    }
  }

  /** Takes everything in a folder as synced. */
  #keep(folder) {
    for (const entry of readdirSync(join(this.live, folder), { withFileTypes: true })) {
      const name = join(folder, entry.name);
      if (entry.isDirectory()) {
        mkdirSync(join(this.#durable, name));
        this.#keep(name);
      } else {
        const content = join(this.#synced, keyOf(join(this.live, name)));
        copyFileSync(join(this.live, name), content);
        linkSync(content, join(this.#durable, name));
      }
    }
  }
}

/** The name under which the library keeps what a file was synced with. */
function keyOf(path) {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.ino}-${found.birthtimeNs}` : 'none';
}

function isSameFile(one, other) {
  return statSync(one, { throwIfNoEntry: false })?.ino === statSync(other).ino;
}
