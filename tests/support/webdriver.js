/** A browser by the W3C WebDriver protocol, https://www.w3.org/TR/webdriver2/: what tests need of it, by fetch. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { onFreePorts } from './ports.js';

// Browsers end with the tests, whatever ends these: 'exit' is not told of a signal that nobody listens to.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/**
 * @typedef {object} Engine
 * @property {string} driver the program that speaks WebDriver
 * @property {(port: number, other: number) => string[]} args of it
 * @property {Record<string, unknown>} capabilities
 * @property {NodeJS.ProcessEnv} [env]
 * @property {() => Promise<void>} [closing] ends what was started for it
 */

/**
 * Starts a browser with a profile of its own.
 *
 * @param {Engine} engine
 */
export async function openSession({ driver, args, capabilities, env, closing }) {
  const folder = mkdtempSync(join(tmpdir(), 'browser-'));
  let kill = async () => {};
  const end = async () => {
    await kill();
    await closing?.();
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  try {
    const started = await onFreePorts((port, other) => (
      startDriver(driver, args(port, other), { ...process.env, ...env, TMPDIR: folder }, `http://127.0.0.1:${port}`)));
    ({ kill } = started);
    const always = { ...capabilities, timeouts: { script: 600_000, pageLoad: 60_000 } };
    const { sessionId } = await command(`${started.base}/session`, { capabilities: { alwaysMatch: always } });
    return new Session(`${started.base}/session/${sessionId}`, end);
  } catch (error) {
    await end();
    throw error;
  }
}

/**
 * Starts the program that speaks WebDriver at an address.
 *
 * @param {string} driver
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {string} base
 */
async function startDriver(driver, args, env, base) {
  // A process group of its own, so that whatever it has started ends with it.
  const child = spawn(driver, args, { detached: true, stdio: 'ignore', env });
  const exited = new Promise((resolve) => {
    child.once('error', resolve);
    child.once('exit', (code, signal) => resolve(new Error(`${driver} has ended: ${code ?? signal}`)));
  });
  const killGroup = () => {
    try {
      if (child.pid) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  process.once('exit', killGroup);
  const kill = async () => {
    process.off('exit', killGroup);
    killGroup();
    await exited;
  };
  try {
    await isReady(base, exited);
  } catch (error) {
    await kill();
    throw error;
  }
  return { base, kill };
}

class Session {
  #base;
  #end;
  #first = true;
  /** Commands follow each other: each is about the window that was chosen last. */
  #last = Promise.resolve();

  /**
   * @param {string} base
   * @param {() => Promise<void>} end
   */
  constructor(base, end) {
    this.#base = base;
    this.#end = end;
  }

  /** Opens an address in a window of its own. */
  async open(url) {
    const handle = await this.#inTurn(async () => {
      if (!this.#first) return (await command(`${this.#base}/window/new`, { type: 'window' })).handle;
      this.#first = false;
      return command(`${this.#base}/window`);
    });
    const tab = new Tab((path, ...rest) => this.#inTurn(async () => {
      await command(`${this.#base}/window`, { handle });
      return command(`${this.#base}/${path}`, ...rest);
    }));
    await tab.goto(url);
    return tab;
  }

  async close() {
    await command(this.#base, undefined, 'DELETE', 5_000).catch(() => {});
    await this.#end();
  }

  #inTurn(work) {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

class Tab {
  #send;

  constructor(send) {
    this.#send = send;
  }

  goto(url) {
    return this.#send('url', { url });
  }

  reload() {
    return this.#send('refresh', {});
  }

  /** Goes back to where the tab was before the last `goto`. */
  back() {
    return this.#send('back', {});
  }

  close() {
    return this.#send('window', undefined, 'DELETE');
  }

  /** Sends a command of the Chrome DevTools Protocol, which Chromium alone knows. */
  devtools(cmd, params = {}) {
    return this.#send('goog/cdp/execute', { cmd, params });
  }

  /** The same where the page's policy allows no `eval`: a function that needs nothing of the page's own scripts. */
  async look(work, argument = null) {
    const script = `const [argument, done] = arguments;
      Promise.resolve(argument).then(${work}).then(
        (value) => done(JSON.stringify({ value: value ?? null })),
        (error) => done(JSON.stringify({ error: String(error) })))`;
    return this.#run(script, argument);
  }

  /** Calls a function in the page and waits for what it returns. Other tabs wait meanwhile. */
  async evaluate(work, argument = null) {
    // Scripts of a driver may have a global object of their own; what `eval` of the window runs has the page's.
    const source = `Promise.resolve(${JSON.stringify(argument)}).then(${work}).then(
      (value) => JSON.stringify({ value: value ?? null }),
      (error) => JSON.stringify({ error: String(error) + '\\n' + error?.stack }))`;
    const script = 'const [source, done] = arguments; window.eval(source).then(done, (error) => done(String(error)));';
    return this.#run(script, source);
  }

  async #run(script, argument) {
    const answer = await this.#send('execute/async', { script, args: [argument] });
    // Firefox answers a script with nothing now and then when its page is reloaded, instead of saying so.
    if (answer === null) throw new Error('the page was unloaded while a script ran in it');
    const { value, error } = JSON.parse(answer);
    if (error !== undefined) throw new Error(`in the page: ${error}`);
    return value;
  }
}

async function command(url, body, method = body ? 'POST' : 'GET', patience = 630_000) {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(patience),
  }).catch((error) => {
    throw new Error(`${method} ${url}: ${error.cause ?? error}`, { cause: error });
  });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${method} ${url}: ${value?.error}: ${value?.message}`);
  return value;
}

/** Asks until it is told yes. */
async function isReady(base, exited) {
  let gone;
  exited.then((error) => (gone = error));
  while (!(await command(`${base}/status`).then(({ ready }) => ready, () => false))) {
    if (gone) throw gone;
    await pause(20);
  }
}
