/** Critical errors: exceptions that cross wasm, after which nothing in its memory is to be trusted. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { AsyncDictStorage, DictStorage, Queue } from '../pkg/load/inline.js';
import { anEnvelope, idOf, outcome } from './support/calls.js';
import { MemoryHost } from './support/host.js';
import { gate, message, watch } from './support/queues.js';

const ROUNDS = process.env.LONG ? 10_000 : 200;

/**
 * Makes calls at every level near the end of the stack.
 *
 * @param {() => void} call
 */
function fallWith(call) {
  call(); // compiling it takes more of the stack than it does
  let deepest = 0;
  /**
   * @param {number} depth
   * @param {number} near
   */
  const fall = (depth, near) => {
    deepest = Math.max(deepest, depth);
    if (depth > near) call();
    fall(depth + 1, near);
  };
  assert.throws(() => fall(0, Infinity), RangeError); // finds the end
  fall(0, deepest - 400);
}

/** Lets everything happen that waits for no timer. */
async function turns() {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
}

test('where the stack of a caller has ended calls work again, however often it does', () => {
  const storage = new DictStorage();
  const id = storage.write(anEnvelope(), 1);
  for (let i = 0; i < ROUNDS; i++) {
    assert.throws(() => fallWith(() => storage.incrementAttempts(id)), RangeError);
  }
  const [, attempts] = storage.get(id);
  assert.equal(storage.incrementAttempts(id), attempts + 1);
  assert.deepEqual(storage.getInfo(), { size: 1, metaSize: 1 });
});

test('calls at every level on the way up from the end of the stack leave every message there', () => {
  const storage = new DictStorage();
  const id = storage.write(anEnvelope(), 1);
  let ends = 0;
  for (let round = 0; round < ROUNDS / 100; round++) {
    const before = storage.get(id)[1];
    let made = 0;
    // The call ends the stack, is caught, and made again one level up, until there is room.
    assert.throws(() => fallWith(() => {
      for (let tries = 0; tries < 3; tries++) {
        try {
          storage.incrementAttempts(id);
          made++;
          return;
        } catch {
          ends++;
        }
      }
    }), RangeError);
    const [envelope, attempts] = storage.get(id);
    assert.deepEqual(envelope, anEnvelope());
    assert.ok(attempts >= before + made, `${made} made, ${attempts - before} counted`);
    assert.equal(storage.incrementAttempts(id), attempts + 1);
  }
  assert.ok(ends >= ROUNDS / 100, `${ends} ends of the stack`);
});

test('the memory of the process stays flat over thousands of ends of the stack', async () => {
  const { stdout } = await run(`
    const storage = new DictStorage();
    const id = storage.write({ sender: null, recipients: ['a@example.com'] }, 1);
    let deepest = 0;
    const fall = (depth, near) => {
      deepest = Math.max(deepest, depth);
      if (depth > near) storage.incrementAttempts(id);
      fall(depth + 1, near);
    };
    try {
      fall(0, Infinity);
    } catch {}
    const fallOften = async () => {
      for (let i = 0; i < 200; i++) {
        try {
          fall(0, deepest - 400);
        } catch {}
        if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve)); // lets registries clean up
      }
      gc();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = await fallOften();
    const after = await fallOften();
    console.log(JSON.stringify([before, after]));
  `, '--expose-gc');
  const [before, after] = JSON.parse(stdout);
  assert.ok(after < before + 40e6, `${before} bytes before, ${after} after`);
});

test('a critical error ends the calls under way as unknown-outcome, and later ones work', async () => {
  const storage = new AsyncDictStorage(null, null, { poll: 20, deadline: 10_000 });
  const id = await storage.write(anEnvelope(), 1);
  const others = storage.wait();
  assert.deepEqual(await others.next(), { done: false, value: [1, id] });

  const underWay = [storage.get(id), storage.incrementAttempts(id)].map((call) => outcome(() => call));
  assert.throws(() => fallWith(() => new DictStorage().getInfo()), RangeError);

  assert.equal(await storage.write(anEnvelope(), 2, { id: idOf(2) }), idOf(2));
  for (const { error } of await Promise.all(underWay)) assert.equal(error?.code, 'unknown-outcome', error?.stack);
  const { value: [envelope, attempts] } = await outcome(() => storage.get(id));
  assert.deepEqual(envelope, anEnvelope());
  assert.equal(await storage.incrementAttempts(id), attempts + 1);
  // Who waits hears of everything again.
  assert.deepEqual([(await others.next()).value, (await others.next()).value].sort(), [[1, id], [2, idOf(2)]]);
});

test('a message under way in a critical error can be queued again by the key that it was given', async () => {
  const storage = new AsyncDictStorage(new MemoryHost());
  const queue = new Queue(storage);
  const underWay = outcome(() => queue.enqueue(message(['a']), { key: 'order 17' }));
  assert.throws(() => fallWith(() => new DictStorage().getInfo()), RangeError);
  const { error } = await underWay;
  assert.deepEqual([error?.code, error?.key], ['unknown-outcome', 'order 17']);
  await queue.enqueue(message(['a']), { key: error.key });
  assert.equal((await storage.getInfo()).size, 1);
});

test('a storage that was closed stays closed after a critical error', async () => {
  const storage = new AsyncDictStorage();
  await storage.close();
  assert.throws(() => fallWith(() => new DictStorage().getInfo()), RangeError);
  for (const call of [() => storage.get(idOf(1)), () => storage.write(anEnvelope(), 1)]) {
    assert.equal((await outcome(call)).error?.code, 'closed');
  }
});

test('a host whose commits share one makes them also after the stack of a caller has ended in it', async () => {
  // The promises that a caller made at the end of its stack are its own: some of them nobody looks at.
  const { stdout } = await run(`
    import { levelHost } from ${module('../pkg/hosts/level.js')};
    import { MemoryLevel } from ${JSON.stringify(import.meta.resolve('memory-level'))};
    process.on('unhandledRejection', () => {});
    const storage = new AsyncDictStorage(levelHost(new MemoryLevel({ valueEncoding: 'view' })), { deadline: 60_000 });
    const id = await storage.write({ sender: null, recipients: ['a@example.com'] }, 1);
    let deepest = 0;
    const fall = (depth, near) => {
      deepest = Math.max(deepest, depth);
      if (depth > near) storage.setTimestamp(id, 0).catch(() => {});
      fall(depth + 1, near);
    };
    let ends = 0;
    for (let round = 1; round <= 10; round++) {
      for (const near of [Infinity, deepest - 400]) {
        try {
          fall(0, near);
        } catch {
          ends++;
        }
      }
      await new Promise((resolve) => setImmediate(resolve));
      await storage.setTimestamp(id, round);
    }
    console.log(JSON.stringify([ends, (await storage.load().next()).value[0]]));
    await storage.close();
  `);
  assert.deepEqual(JSON.parse(stdout), [20, 10]);
});

test('A started queue that meets a critical error goes on: of a hundred attempts under way each is delivered once', async () => {
  for (const storage of [new DictStorage(), new AsyncDictStorage(new MemoryHost())]) {
    const { queue, events, relayed, answer } = await withAttemptsUnderWay(storage, 100);
    const { until } = watch(queue);
    assert.throws(() => fallWith(() => new DictStorage().getInfo()), RangeError);
    answer();
    // Nobody calls anything: it goes on by itself.
    await Promise.all([...relayed.keys()].map((id) => until('delivered', (event) => event.id === id)));
    await queue.stop();
    assert.equal(relayed.size, 100);
    assert.deepEqual(new Set(relayed.values()), new Set([1]));
    assert.deepEqual(events.filter(({ type }) => type === 'error' || type === 'deferred'), []);
    assert.deepEqual(await storage.getInfo(), { size: 0, metaSize: 0 });
  }
});

test('a queue goes on where the stack ends again and again on the way to a fresh instance', async () => {
  const { queue, relayed, answer } = await withAttemptsUnderWay(new DictStorage(), 10);
  const { until } = watch(queue);
  const other = new DictStorage();
  assert.throws(() => fallWith(() => {
    try {
      other.getInfo();
    } catch {
      other.getInfo();
    }
  }), RangeError);
  answer();
  await Promise.all([...relayed.keys()].map((id) => until('delivered', (event) => event.id === id)));
  await queue.stop();
});

test('memory stays flat over critical errors while a relay takes its time', async () => {
  const { stdout } = await run(`
    const queue = new Queue(new AsyncDictStorage(), { attempt: () => new Promise(() => {}) });
    queue.start();
    await queue.enqueue({ sender: null, recipients: ['a@example.com'] });
    const other = new DictStorage();
    const fall = () => {
      other.getInfo();
      fall();
    };
    const fallOften = async () => {
      for (let i = 0; i < 100; i++) {
        try {
          fall();
        } catch {}
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      gc();
      await new Promise((resolve) => setImmediate(resolve));
      gc();
      const { heapUsed, external, arrayBuffers } = process.memoryUsage();
      return heapUsed + external + arrayBuffers;
    };
    const before = await fallOften();
    const after = await fallOften();
    console.log(JSON.stringify([before, after]));
    process.exit();
  `, '--expose-gc');
  const [before, after] = JSON.parse(stdout);
  assert.ok(after < before + 40e6, `${before} bytes before, ${after} after`); // a hundred instances have more than 100 MB
});

for (const [what, begin, end] of /** @type {[string, (queue: Queue) => unknown, (queue: Queue) => unknown][]} */ ([
  ['is being stopped', (queue) => queue.start(), (queue) => queue.stop()],
  ['was only flushed', (queue) => queue.flush().catch(() => {}), () => {}],
  ['is paused', (queue) => queue.start(), (queue) => queue.pause()],
])) {
  test(`a queue that ${what} when a critical error comes records what its relay answers, and begins nothing`, async () => {
    const storage = new DictStorage();
    /** @type {string[]} */
    const relayed = [];
    const { opened: answered, open: answer } = gate();
    const queue = new Queue(storage, {
      async attempt({ recipients }) {
        relayed.push(recipients[0]);
        await answered;
      },
    });
    const { until } = watch(queue);
    const [[, id]] = await queue.enqueue(message(['a']));
    begin(queue);
    await until('attempt');
    const ended = end(queue);
    await storage.write(message(['b']), Date.now());
    assert.throws(() => fallWith(() => new DictStorage().getInfo()), RangeError);
    answer();
    await until('delivered', (event) => event.id === id);
    await ended;
    await turns();
    assert.deepEqual([relayed, storage.getInfo().metaSize], [['a'], 1]);
    await queue.stop();
  });
}

test('a run whose message is at the relay when a critical error comes records the answer, though another run has ended', async () => {
  const storage = new AsyncDictStorage(new MemoryHost());
  const { opened: answered, open: answer } = gate();
  const queue = new Queue(storage, { attempt: () => answered });
  const { until } = watch(queue);
  await queue.enqueue(message(['a']));
  const controller = new AbortController();
  const runs = [queue.flush().catch(() => {}), queue.run({ limit: 0, signal: controller.signal })];
  controller.abort();
  await runs[1]; // before the first one has the message
  await until('attempt');
  assert.throws(() => fallWith(() => new DictStorage().getInfo()), RangeError);
  answer();
  await until('delivered');
  await runs[0];
  await storage.close();
});

test('a queue whose destinations are asked for when critical errors come delivers each message once', async () => {
  for (const storage of [new DictStorage(), new AsyncDictStorage(new MemoryHost())]) {
    /** @type {string[]} */
    const relayed = [];
    /** @type {string[]} */
    const asked = [];
    const other = new DictStorage();
    const queue = new Queue(storage, {
      async attempt({ recipients: [to] }) {
        relayed.push(to);
        await new Promise((resolve) => setImmediate(resolve));
      },
    }, {
      destination: {
        pool: 2,
        of(address) {
          asked.push(address);
          // The later ones come in fresh instances.
          if ([3, 9, 14].includes(asked.length)) fallWith(() => other.getInfo());
          return address.split('@')[1];
        },
      },
    });
    const { until, events } = watch(queue);
    const names = Array.from({ length: 20 }, (_, i) => `${i}@${i % 3}.example.com`);
    const ids = [];
    for (const to of names) ids.push((await queue.enqueue(message([to])))[0][1]);
    queue.start();
    await Promise.all(ids.map((id) => until('delivered', (event) => event.id === id)));
    await queue.stop();
    assert.ok(asked.length >= 14);
    assert.deepEqual(relayed.sort(), names.sort());
    assert.equal(events.filter(({ type }) => type === 'delivered').length, names.length);
    assert.deepEqual(await storage.getInfo(), { size: 0, metaSize: 0 });
  }
});

test('a critical error does not end the pause of a queue', async () => {
  const storage = new DictStorage();
  const { queue, relayed, answer } = await withAttemptsUnderWay(storage, 0);
  const { until } = watch(queue);
  queue.pause();
  assert.throws(() => fallWith(() => storage.getInfo()), RangeError);
  await queue.enqueue(message(['a@example.com']));
  await turns();
  assert.equal(relayed.size, 0);
  queue.resume();
  await until('attempt');
  answer();
  await queue.stop();
});

test('where the memory of the module ends that call fails, and later ones work', async () => {
  // Four mebibytes for the module: the text of an id does not fit, and the allocator traps.
  const { stdout } = await run(`
    const storage = new DictStorage();
    const id = storage.write({ sender: null, recipients: ['a@example.com'] }, 1);
    const errors = [];
    for (let i = 0; i < 20; i++) {
      try {
        storage.get('x'.repeat(5_000_000));
      } catch (error) {
        errors.push(error.name);
      }
      storage.incrementAttempts(id);
    }
    console.log(JSON.stringify([[...new Set(errors)], errors.length, storage.get(id)[1]]));
  `, '--wasm-max-mem-pages=64');
  const [names, count, attempts] = JSON.parse(stdout);
  assert.deepEqual([names, count, attempts], [['RuntimeError'], 20, 20]);
});

/**
 * A started queue whose relay has so many messages and answers when it is told to.
 *
 * @param {any} storage
 * @param {number} count
 */
async function withAttemptsUnderWay(storage, count) {
  /** @type {Map<string, number>} how often each message was relayed */
  const relayed = new Map();
  const { opened, open } = gate();
  const relay = {
    /** @type {import('../pkg/types.js').Relay['attempt']} */
    async attempt(envelope, attempts, { id }) {
      relayed.set(id, (relayed.get(id) ?? 0) + 1);
      await opened;
      return { code: 250, message: '2.0.0 Ok' };
    },
  };
  const queue = new Queue(storage, relay);
  const { events } = watch(queue);
  queue.start();
  for (let i = 0; i < count; i++) await queue.enqueue(message(['a@example.com']));
  while (relayed.size < count) await new Promise((resolve) => setImmediate(resolve));
  return { queue, events, relayed, answer: open };
}

/**
 * Runs a program that has the storage classes.
 *
 * @param {string} program
 * @param {...string} flags of Node
 */
function run(program, ...flags) {
  const source = `import { AsyncDictStorage, DictStorage, Queue } from ${module('../pkg/load/inline.js')};${program}`;
  return promisify(execFile)(process.execPath, [...flags, '--input-type=module', '--eval', source]);
}

/** @param {string} path of a module of the package, as a text of a program */
function module(path) {
  return JSON.stringify(new URL(path, import.meta.url).href);
}
