/** Programs of their own that work on a queue, to be ended at any moment. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./work.js', import.meta.url));

/**
 * Starts a program on a queue.
 *
 * @param {string[]} args what it does, and on which queue
 */
export function start(...args) {
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  return {
    child, lines, ended,
    /** The next line of it; rejects if it ends without one. */
    line: () => new Promise((resolve, reject) => {
      lines.once('line', resolve);
      ended.then((end) => reject(new Error(`it ended with ${end} before it said anything`)));
    }),
    end: () => child.stdin.end(),
  };
}

/**
 * Lets a program acknowledge a number of steps, then ends it, or whatever it works on, without a warning.
 *
 * @param {ReturnType<typeof start>} program
 * @param {number} steps
 * @param {Map<number, number>} acknowledged gets the last step of each message
 * @param {() => unknown} [kill]
 */
export async function killAfter({ child, lines, ended }, steps, acknowledged, kill = () => child.kill('SIGKILL')) {
  let count = 0;
  for await (const line of lines) {
    const [number, step] = line.split(' ').map(Number);
    acknowledged.set(number, step);
    if (++count === steps) kill();
  }
  return ended;
}
