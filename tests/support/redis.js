/** Redis servers of one's own: each on a free port, in a folder of its own, ended when it is told. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onFreePorts } from './ports.js';

/** What to say of a test that needs Redis: `false`, or why it is skipped. */
export const skip = isThere() ? false : 'redis-server is not installed';
if (skip) console.log(`skipped: ${skip}`);

/**
 * @param {string[]} settings of the server, as on its command line
 * @param {{ folder?: string, port?: number }} [where] that of an earlier one
 */
export function startRedis(settings = [], { folder = mkdtempSync(join(tmpdir(), 'redis-')), port } = {}) {
  const startOn = (/** @type {number} */ address) => startServer(settings, folder, address);
  return port === undefined ? onFreePorts(startOn) : startOn(port);
}

/**
 * @param {string[]} settings
 * @param {string} folder
 * @param {number} port
 */
async function startServer(settings, folder, port) {
  const child = spawn('redis-server', [
    '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--loglevel', 'notice', ...settings,
  ], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let log = '';
  await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      log += `${line}\n`;
      if (line.includes('Ready to accept connections')) resolve(undefined);
    });
    ended.then(() => reject(new Error(`redis-server did not start:\n${log}`)));
  });
  return {
    port, folder, pid: child.pid, ended,
    signal: (name) => child.kill(name),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async stop() {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Three servers that share the slots of one cluster. */
export async function startCluster() {
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '60000', '--appendonly', 'yes'];
  const servers = await Promise.all([0, 1, 2].map(() => startRedis(settings)));
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { stdio: 'ignore' });
  const knows = ({ port }) => ask(port, 'CLUSTER', 'INFO').includes('cluster_state:ok');
  while (!servers.every(knows)) await new Promise((resolve) => setTimeout(resolve, 50));
  return { ports: servers.map(({ port }) => port), stop: () => Promise.all(servers.map((each) => each.stop())) };
}

/**
 * What a server says to a command.
 *
 * @param {number} port
 * @param {...string} command
 */
export function ask(port, ...command) {
  return execFileSync('redis-cli', ['-p', String(port), ...command], { encoding: 'utf8' }).trim();
}

function isThere() {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    execFileSync('redis-cli', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
