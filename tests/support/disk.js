/** A disk of a few megabytes, to be filled. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * @param {number} [megabytes]
 * @returns {{ folder: string, enlarge(): void, remove(): void } | undefined} none, and says so, where it cannot be
 */
export function smallDisk(megabytes = 12) {
  const folder = mkdtempSync(join(tmpdir(), 'disk-'));
  let size = megabytes;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}m`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    console.log('skipped: a full disk: nothing can be mounted here');
    rmSync(folder, { recursive: true });
    return undefined;
  }
  return {
    folder,
    /** By as much as it was at first. */
    enlarge: () => void execFileSync('mount', ['-o', `remount,size=${(size += megabytes)}m`, folder]),
    remove() {
      execFileSync('umount', ['-l', folder]); // a browser that ends may still have files open
      rmSync(folder, { recursive: true });
    },
  };
}
