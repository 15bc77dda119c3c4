/** A browser without a driver: it opens one address on a profile that outlives it, and ends by being killed. */
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FLAGS_WITHOUT_PLAYWRIGHT, chromiumPath } from './browser.js';
import { findProgram } from './programs.js';

const firefoxPath = findProgram(['firefox-esr', 'firefox'], ['/Applications/Firefox.app/Contents/MacOS']);

/** Nothing but the page: no session of before, no safe mode after a crash, no questions, no network. */
const PREFS = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.sessionstore.max_resumed_crashes': 0,
  'browser.sessionstore.resume_from_crash': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'toolkit.startup.max_resumed_crashes': -1,
  'toolkit.telemetry.enabled': false,
};

/**
 * @typedef {object} Engine
 * @property {string} name
 * @property {string | false} skip
 * @property {boolean} writesToTornLog whether opening a database adds to a log that the end of the run before has torn, so
 *   that a second end right then takes everything: docs/hosts/indexeddb.md names that limit
 * @property {(profile: string, url: string, env?: object) => BareBrowser} start
 */

/** @type {Engine[]} */
export const ENGINES = [
  {
    name: 'Chromium',
    skip: chromiumPath ? false : 'Chromium is not installed',
    writesToTornLog: true,
    start(profile, url, env) {
      return new BareBrowser(String(chromiumPath), [...FLAGS_WITHOUT_PLAYWRIGHT, `--user-data-dir=${profile}`, url], env);
    },
  },
  {
    name: 'Firefox',
    skip: firefoxPath ? false : 'Firefox is not installed',
    writesToTornLog: false,
    start(profile, url, env) {
      const prefs = Object.entries(PREFS).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
      writeFileSync(join(profile, 'user.js'), prefs.join(''));
      return new BareBrowser(String(firefoxPath), ['-headless', '-no-remote', '-profile', profile, url],
        { ...env, MOZ_CRASHREPORTER_DISABLE: '1' });
    },
  },
];
for (const { skip } of ENGINES) if (skip) console.log(`skipped: ${skip}`);

class BareBrowser {
  #child;
  /** Settles when the browser has ended by itself. */
  ended;

  constructor(program, args, env) {
    // A group of its own, which can be killed as a whole.
    this.#child = spawn(program, args, { detached: true, stdio: 'ignore', env: { ...process.env, ...env } });
    this.ended = new Promise((resolve) => this.#child.once('exit', resolve).once('error', resolve));
  }

  /** Kills all its processes at once, and waits until none is left. */
  async kill() {
    const group = this.#child.pid;
    if (group === undefined) return;
    try {
      process.kill(-group, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
    while (await isAlive(group)) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Whether a process of the group runs: one that nobody has waited for yet is dead too. */
async function isAlive(group) {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pgid=,stat=']);
  return stdout.split('\n').some((line) => {
    const [id, state] = line.trim().split(/\s+/);
    return Number(id) === group && !state.startsWith('Z');
  });
}
