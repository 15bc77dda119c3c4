/** Ports for programs that cannot be told to take any that is free. */
import { createServer } from 'node:net';

/**
 * Starts something on two free ports; on others, a few times, where that fails because somebody else has one by then.
 *
 * @template Started
 * @param {(port: number, other: number) => Promise<Started>} start rejects when it has ended before it was ready
 * @returns {Promise<Started>}
 */
export async function onFreePorts(start) {
  for (let left = 4; ; left--) {
    const port = await freePort();
    try {
      return await start(port, port + 10_000);
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

/**
 * A free port, with another one 10,000 above it, which a server of a cluster takes too. Both are below those that the
 * system gives to connections.
 */
async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 12_000);
    if (await isFree(port) && await isFree(port + 10_000)) return port;
  }
}

/** @param {number} port */
function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false)).listen(port, '127.0.0.1', () => {
      server.close(() => resolve(true));
    });
  });
}
