/** That the power cuts which tests rest on leave what they should. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Disk, skip } from './support/powercut.js';

const WORK = `
  const { closeSync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } = require('node:fs');
  const sync = (name) => {
    const file = openSync(name, 'r');
    fsyncSync(file);
    closeSync(file);
  };
  const write = (name, text, synced = true) => {
    const file = openSync(name, 'a');
    writeSync(file, text);
    if (synced) fsyncSync(file);
    closeSync(file);
  };
  write('unsynced', 'text', false);
  write('grown', 'synced');
  write('grown', ', and more', false);
  write('old', 'renamed');
  renameSync('old', 'new');
  write('removed', 'text');
  unlinkSync('removed');
  mkdirSync('folder');
  write('folder/inside', 'synced');
  write('replaced', 'old');
  write('replacing', 'new');
  renameSync('replacing', 'replaced');
`;

describe('A power cut', { skip }, () => {
  let disk;
  beforeEach(async () => {
    disk = await Disk.open();
  });
  afterEach(() => disk?.close());

  /** What a cut leaves after a program has run, where names are kept in this way. */
  function left(names, program, writesBack = false) {
    const random = { pick: (list) => list[list.indexOf(names)], chance: () => writesBack, below: (limit) => limit - 1 };
    execFileSync(process.execPath, ['-e', program], { cwd: disk.live, env: { ...process.env, ...disk.env(random) } });
    disk.cut(random);
    const files = readdirSync(disk.live, { recursive: true, encoding: 'utf8' });
    return Object.fromEntries(files.filter((name) => statSync(join(disk.live, name)).isFile())
      .map((name) => [name, readFileSync(join(disk.live, name), 'utf8')]));
  }

  const whole = { grown: 'synced', 'folder/inside': 'synced' };

  test('leaves what was synced, under the names that were', () => {
    assert.deepEqual(left('apart', WORK), {
      ...whole, old: 'renamed', removed: 'text', replaced: 'old', replacing: 'new',
    });
  });

  test('leaves the names of a folder that was synced, and nothing in a file that was not', () => {
    assert.deepEqual(left('apart', `${WORK} sync('.');`), { ...whole, new: 'renamed', replaced: 'new', unsynced: '' });
  });

  test('leaves all names up to the last sync where they are kept in order', () => {
    assert.deepEqual(left('ordered', WORK), {
      ...whole, new: 'renamed', replaced: 'old', replacing: 'new', unsynced: '',
    });
  });

  test('leaves of what was not synced what the system has written back', () => {
    const { grown, unsynced } = left('ordered', WORK, true);
    assert.deepEqual({ grown, unsynced }, { grown: 'synced, and more', unsynced: 'text' });
  });

  test('leaves what the one before has left', () => {
    left('ordered', `${WORK} sync('.');`);
    const change = "require('node:fs').appendFileSync('grown', '!'); require('node:fs').unlinkSync('new');";
    assert.deepEqual(left('apart', change), { ...whole, new: 'renamed', replaced: 'new', unsynced: '' });
  });
});
