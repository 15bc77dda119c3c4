/** python-slimta in a process of its own, which lives as long as this one. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fail } from '../report.js';

/** Where `tools/setup bench` installs it. */
export const PYTHON = `${process.env.HOME}/.cache/slimta-queue-dict/slimta/bin/python`;

/**
 * @param {string} python the interpreter
 * @param {string} script one in this folder, which answers each line with a line
 * @param {string[]} [args]
 * @returns {{ ask: (line: string) => Promise<string>, end: () => void }}
 */
export function startPython(python, script, args = []) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(python, ['-W', 'ignore', path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.on('error', () => fail('python-slimta is not there; `tools/setup bench` installs it'));
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(line) {
      child.stdin.write(`${line}\n`);
      const { done, value } = await answers.next();
      if (done) fail('python-slimta ended before it was told to');
      return value;
    },
    end: () => child.stdin.end(),
  };
}
