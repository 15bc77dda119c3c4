/** The engines that browsers are made of, and tests that run in each of them. */
import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe } from 'node:test';
import { FLAGS_WITHOUT_PLAYWRIGHT, chromiumPath } from './browser.js';
import { findProgram } from './programs.js';
import { openSite } from './site.js';
import { openSession } from './webdriver.js';

const firefox = findProgram(['firefox-esr', 'firefox'], ['/Applications/Firefox.app/Contents/MacOS']);
const chromedriver = findProgram(['chromedriver']);
const geckodriver = findProgram(['geckodriver'], [join(homedir(), '.cache/slimta-queue-dict/bin')]);
const webkitDriver = findProgram(['WebKitWebDriver']);
const xvfb = findProgram(['Xvfb']);

/**
 * What a test may ask of a browser.
 *
 * @typedef {object} Wishes
 * @property {boolean} [inPrivate] a private window
 * @property {Record<string, unknown>} [prefs] for Firefox
 * @property {string[]} [features] of WebKit, by the names of its `--features`
 * @property {string} [proxy] host and port of what answers for every site but this machine's own
 */

/** @type {Record<string, { skip: string | false, start: (wishes?: Wishes) => Promise<any> }>} */
export const ENGINES = {
  Chromium: {
    skip: missing({ Chromium: chromiumPath, chromedriver }),
    start: ({ inPrivate, proxy } = {}) => openSession({
      driver: chromedriver,
      args: (port) => [`--port=${port}`],
      capabilities: {
        ...proxyOf(proxy),
        'goog:chromeOptions': {
          binary: chromiumPath, args: [...FLAGS_WITHOUT_PLAYWRIGHT, ...(inPrivate ? ['--incognito'] : [])],
        },
      },
    }),
  },
  Firefox: {
    skip: missing({ Firefox: firefox, geckodriver }),
    start: ({ inPrivate = false, prefs = {}, proxy } = {}) => openSession({
      driver: geckodriver,
      args: (port, other) => ['--port', String(port), '--websocket-port', String(other)],
      capabilities: {
        ...proxyOf(proxy),
        'moz:firefoxOptions': {
          binary: firefox, args: ['-headless'], prefs: { 'browser.privatebrowsing.autostart': inPrivate, ...prefs },
        },
      },
    }),
  },
  // Each of its windows is private: its test browser keeps everything in memory.
  WebKit: {
    skip: missing({ WebKitWebDriver: webkitDriver, Xvfb: xvfb }),
    async start({ features = [], proxy } = {}) {
      const screen = await openScreen();
      const switches = features.length > 0 ? [`--features=${features.map((name) => `+${name}`)}`] : [];
      return openSession({
        driver: webkitDriver,
        args: (port) => [`--port=${port}`],
        capabilities: { ...proxyOf(proxy), 'webkitgtk:browserOptions': { args: ['--automation', ...switches] } },
        // Its sandbox takes rights that containers do not have.
        env: { DISPLAY: screen.name, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' },
        closing: screen.close,
      });
    },
  },
};

for (const [name, { skip }] of Object.entries(ENGINES)) if (skip) console.log(`skipped: ${name}: ${skip}`);

/**
 * Defines the same tests in every engine.
 *
 * @param {string} subject
 * @param {(scene: Scene, engine: string) => void} define
 * @param {{ only?: string[], host?: string }} [options] in which engines, if not in all; the name of the site, if that is
 *   not this machine
 *
 * @typedef {object} Scene
 * @property {string} name of a database that no other test has
 * @property {string} url
 * @property {any[]} tabs two of them
 * @property {() => Promise<any>} tab one more
 */
export function inEngines(subject, define, { only = Object.keys(ENGINES), host } = {}) {
  for (const engine of only) {
    const { skip, start } = ENGINES[engine];
    describe(`${subject} in ${engine}`, { skip, timeout: 1_500_000 }, () => {
      let site;
      let browser;
      let number = 0;
      const scene = {
        name: '', url: '', tabs: [],
        async tab() {
          const page = await browser.open(scene.url);
          await page.evaluate(() => globalThis.ready);
          return page;
        },
      };
      before(async () => {
        site = await openSite();
        browser = await start(host ? { proxy: new URL(site.url).host } : {});
        scene.url = host ? `http://${host}/` : site.url;
        scene.tabs = [await scene.tab(), await scene.tab()];
      });
      after(async () => {
        await browser?.close();
        await site?.close();
      });
      beforeEach(() => {
        scene.name = `queue-${++number}`;
      });
      define(scene, engine);
    });
  }
}

/** An X server without a screen: WebKit has no other way to run where there is none. */
async function openScreen() {
  const child = spawn(xvfb, ['-displayfd', '3', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const kill = () => child.kill();
  process.once('exit', kill);
  const number = await Promise.race([
    new Promise((resolve) => child.stdio[3].once('data', (text) => resolve(String(text).trim()))),
    exited.then((code) => {
      throw new Error(`Xvfb has ended: ${code}`);
    }),
  ]);
  return {
    name: `:${number}`,
    async close() {
      process.off('exit', kill);
      kill();
      await exited;
    },
  };
}

/** @param {string | undefined} address */
function proxyOf(address) {
  return address ? { proxy: { proxyType: 'manual', httpProxy: address } } : {};
}

/** @param {Record<string, string | undefined>} programs */
function missing(programs) {
  const names = Object.keys(programs).filter((name) => !programs[name]);
  return names.length > 0 && `${names.join(' and ')} is not installed`;
}
