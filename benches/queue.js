/**
 * Compares our queue on two Maps with python-slimta's on two dictionaries, each with a relay that answers at once, by
 * turns: from the first `enqueue` until the last message is delivered and gone.
 *
 *     node --expose-gc benches/queue.js [--messages 20000] [--repetitions 7] [--only ours|rival] [--write]
 *
 * python-slimta formats a line for its log at every step, also when nobody reads it; it is measured as it is and
 * without that. `make bench` installs it.
 */
import { parseArgs } from 'node:util';
import { makeEnvelopes } from './messages.js';
import { circumstances, fail, natural, perSecond, progress, publish, ratiosOf, table } from './report.js';
import { PYTHON, startPython } from './rivals/python.js';

const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '20000' },
    repetitions: { type: 'string', default: '7' },
    python: { type: 'string', default: PYTHON },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const messages = natural(options, 'messages');
const repetitions = natural(options, 'repetitions');
if (options.only !== undefined && !['ours', 'rival'].includes(options.only)) fail('--only takes ours or rival');

/** How often each message is deferred before it is delivered. */
const SCENARIOS = { 'delivered at once': 0, 'deferred once, then delivered': 1 };

/** @typedef {(deferrals: number) => Promise<{ time: number, attempts: number }>} Side */

/** @type {Record<string, Side>} */
const sides = {};
if (options.only !== 'rival') sides.ours = await ours();
const rival = options.only === 'ours' ? undefined : startRival(/** @type {string} */ (options.python));
if (rival) {
  sides['python-slimta'] = (deferrals) => rival.ask(deferrals, 'logs');
  sides['its log off'] = (deferrals) => rival.ask(deferrals, 'nologs');
}
const names = Object.keys(sides);

/** @type {Record<string, Record<string, number[]>>} milliseconds of each scenario, of each side */
const times = {};
for (const scenario of Object.keys(SCENARIOS)) times[scenario] = Object.fromEntries(names.map((name) => [name, []]));

// The first repetition warms up and does not count.
for (let repetition = 0; repetition <= repetitions; repetition++) {
  for (const [scenario, deferrals] of Object.entries(SCENARIOS)) {
    for (const name of repetition % 2 === 0 ? names : [...names].reverse()) {
      progress(`${repetition === 0 ? 'warm-up' : `repetition ${repetition} of ${repetitions}`}: ${name}, ${scenario}`);
      const { time, attempts } = await sides[name](deferrals);
      if (attempts !== messages * (deferrals + 1)) fail(`${name} made ${attempts} attempts: ${scenario}`);
      if (repetition > 0) times[scenario][name].push(time);
    }
  }
}
rival?.end();
progress('');
report();

/** @returns {Promise<Side>} */
async function ours() {
  const { DictStorage, Queue, TransientRelayError } = await import('../pkg/load/inline.js').catch((error) =>
    fail(`ours cannot be loaded; \`make pkg\` builds it, \`--only rival\` runs without it\n${error}`));
  const envelopes = makeEnvelopes(1000);
  return async (deferrals) => {
    globalThis.gc?.();
    const storage = new DictStorage();
    let attempts = 0;
    const relay = {
      attempt(/** @type {unknown} */ _envelope, /** @type {number} */ before) {
        attempts++;
        if (before < deferrals) throw new TransientRelayError('Busy');
        return null;
      },
    };
    const queue = new Queue(storage, relay, { backoff: () => 0 });
    queue.start();
    await nextTask();
    const start = performance.now();
    for (let i = 0; i < messages; i++) await queue.enqueue(envelopes[i % envelopes.length]);
    while (storage.getInfo().size > 0) await nextTask();
    const time = performance.now() - start;
    await queue.stop();
    return { time, attempts };
  };
}

/** @param {string} python */
function startRival(python) {
  const { ask, end } = startPython(python, 'python-slimta.py');
  return {
    async ask(/** @type {number} */ deferrals, /** @type {string} */ logs) {
      const [time, attempts] = (await ask(`queue ${logs} ${messages} ${deferrals}`)).split(' ').map(Number);
      return { time, attempts };
    },
    end,
  };
}

function nextTask() {
  return new Promise((resolve) => setImmediate(resolve));
}

function report() {
  const head = ['', ...names.map((name) => `${name} /s`)];
  const rivals = names.slice(1);
  if (sides.ours) for (const name of rivals) head.push(`ratio to ${name}`, 'min-max');
  const rows = Object.entries(times).map(([scenario, of]) => {
    const row = [scenario, ...names.map((name) => perSecond(messages, of[name]))];
    if (sides.ours) {
      for (const name of rivals) {
        const { ratio, range } = ratiosOf(of.ours, of[name]);
        row.push(ratio.toFixed(2), range);
      }
    }
    return row;
  });
  const { machine, load, command } = circumstances();
  publish('The queue', [
    machine, command,
    `${messages.toLocaleString('en')} messages, each from \`enqueue\` until it is gone, medians of ${repetitions} ` +
      `repetitions; ${load}.`,
    table([head, ...rows]),
  ], options.write);
}
