/**
 * Compares our storage on IndexedDB with what else writes to IndexedDB, by turns in one page of each browser.
 *
 *     node benches/indexeddb.js [--browser chromium|firefox] [--only write] [--repetitions 20] [--messages 100000]
 *       [--write]
 *
 * `--only` takes the beginning of a comparison's name, `--messages` is how many `load` lists, `--write` puts the tables
 * into RESULTS.md.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { servedFiles } from '../tests/support/served.js';
import { browsers } from './browsers.js';
import { circumstances, fail, median, natural, perSecond, progress, publish, ratiosOf, table } from './report.js';

const { values: options } = parseArgs({
  options: {
    browser: { type: 'string' },
    only: { type: 'string', default: '' },
    repetitions: { type: 'string', default: '20' },
    messages: { type: 'string', default: '100000' },
    write: { type: 'boolean', default: false },
  },
});
const repetitions = natural(options, 'repetitions');
const listed = natural(options, 'messages');
const { browser: asked = '', only } = options;
if (asked && !(asked in browsers)) fail('--browser takes chromium or firefox');
if (only && options.write) fail('--write keeps whole tables: it does not go with --only');

/**
 * What each comparison says in the table, and what ratio is aimed at.
 *
 * @type {Record<string, { what: string, rival?: string, targets: { chromium: number, firefox: number } }>}
 */
const ROWS = {
  'write-at-once': row('100 writes at once, strict', 'idb, all in one transaction', 0.85),
  'write-at-once-each': row('100 writes at once, strict', 'idb, a transaction each', 5, 3.5),
  'write-at-once-workbox': row('100 writes at once, strict', 'workbox pushRequest, relaxed', 5, 2),
  'write-awaited-strict': row('writes in turn, strict', 'idb, a transaction each', 0.95),
  'write-awaited-relaxed': row('writes in turn, relaxed', 'idb, a transaction each', 0.95),
  'increment-awaited': row('increments in turn, strict', 'by hand, a transaction each', 0.9),
  'increment-awaited-unknown': row('the same of messages not seen before', 'by hand, a transaction each'),
  'increment-at-once': row('100 increments at once, of 100 messages', 'by hand, a transaction each', 4),
  'increment-one-message': row('100 increments at once, of one message', 'by hand, a transaction each', 20),
  load: row(`load of ${listed.toLocaleString('en')} messages`, undefined, 0.85),
};

const site = await openSite();
try {
  for (const [key, browser] of Object.entries(browsers)) {
    if (asked && key !== asked) continue;
    if (browser.missing) console.log(`skipped: ${browser.missing}`);
    else await compareIn(/** @type {'chromium' | 'firefox'} */ (key), browser);
  }
} finally {
  await site.close();
}

/**
 * @param {'chromium' | 'firefox'} key
 * @param {import('./browsers.js').Browser} browser
 */
async function compareIn(key, browser) {
  const page = await browser.open(site.url);
  try {
    const rows = [['', 'rival', 'ours /s', 'rival /s', 'ratio', 'min-max', 'target']];
    for (const comparison of await page.call('names', { listed })) {
      if (!comparison.startsWith(only)) continue;
      rows.push(...(await compare(page, key, comparison)));
      console.log(rows.at(-1)?.join('  '));
    }
    const versions = `${browser.name} ${page.version}; idb ${versionOf('idb')}, ` +
      `workbox-background-sync ${versionOf('workbox-background-sync')}`;
    const { machine, load, command } = circumstances();
    publish(`IndexedDB, ${browser.name}`, [
      `${machine}; ${versions}`, command,
      `Messages of 2,048 bytes to 3 recipients; medians of ${repetitions} repetitions, the sides by turns in one page; ` +
        `${load}.`,
      table(rows),
    ], options.write);
  } finally {
    await page.close();
  }
}

/**
 * @param {import('./browsers.js').Page} page
 * @param {'chromium' | 'firefox'} key
 * @param {string} comparison
 */
async function compare(page, key, comparison) {
  /** @type {{ sides: string[], operations: number }} */
  const { sides, operations } = await page.call('begin', { comparison, listed });
  /** @type {Record<string, number[]>} */
  const times = Object.fromEntries(sides.map((side) => [side, []]));
  // The first two repetitions warm up and do not count.
  for (let repetition = -2; repetition < repetitions; repetition++) {
    const stage = repetition < 0 ? 'warming up' : `repetition ${repetition + 1} of ${repetitions}`;
    progress(`${key}: ${comparison}, ${stage}`);
    const took = await page.call('repeat', repetition + 2);
    if (repetition >= 0) for (const side of sides) times[side].push(took[side]);
  }
  await page.call('end');
  progress('');
  const { ours, ...rivals } = times;
  const { what, rival, targets } = ROWS[comparison];
  // Where there are several rivals the fastest counts.
  const ranked = Object.entries(rivals).sort(([, a], [, b]) => median(a) - median(b));
  return ranked.map(([name, rivalTimes], rank) => {
    const { ratio, range } = ratiosOf(ours, rivalTimes);
    const target = rank === 0 ? targets[key] : 0;
    return [
      what, rival ?? name, perSecond(operations, ours), perSecond(operations, rivalTimes), ratio.toFixed(2), range,
      target ? `${target}: ${ratio >= target ? 'reached' : 'missed'}` : '',
    ];
  });
}

/**
 * @param {string} what
 * @param {string} [rival]
 * @param {number} [chromium]
 * @param {number} [firefox]
 */
function row(what, rival, chromium = 0, firefox = chromium) {
  return { what, rival, targets: { chromium, firefox } };
}

/** @param {string} name of a package */
function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
}

/** Serves a page with everything that it compares. Isolated, it has the finest clock that a browser gives. */
async function openSite() {
  const { outputFiles } = await build({
    entryPoints: [new URL('page/bench.js', import.meta.url).pathname],
    bundle: true, minify: true, format: 'esm', platform: 'browser', write: false,
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const files = new Map(/** @type {[string, Uint8Array | string][]} */ ([
    ['index.html', '<!doctype html><title>bench</title><script type="module" src="/bench.js"></script>'],
    ['bench.js', outputFiles[0].contents],
  ]));
  return servedFiles(files, {
    headers: { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
  });
}
