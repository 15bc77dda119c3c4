/** Examples of a console in a page, typed as somebody would. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROGRAM, project, put, run } from './cli.js';
import { startRedis } from './redis.js';
import { startSmtp } from './smtp.js';

/**
 * The examples of a page, each a command and what stands below it.
 *
 * @param {string} page
 * @returns {{ command: string, output: string }[]}
 */
export function examplesIn(page) {
  return [...page.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => (
    block.split(/^(?=\$ )/m).map((example) => {
      const [first, ...output] = example.split('\n');
      return { command: first.slice(2), output: output.join('\n') };
    })));
}

/**
 * A console in a folder with a file of the page, a mail server that does not take everybody, and a Redis server.
 *
 * @param {string} page
 */
export async function openConsole(page) {
  const folder = project();
  put(folder, { 'hello.eml': /^```eml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '' });
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'npx'), `#!/bin/sh\nshift\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
  chmodSync(join(bin, 'npx'), 0o755);
  const smtp = await startSmtp({
    to: (address) => (address.startsWith('nobody') ? '550 5.1.1 No such user' : address.startsWith('slow') ? '451 4.3.0 Busy' : undefined),
  });
  const redis = await startRedis();
  return {
    /** @param {string} command */
    async type(command) {
      const there = command.replace('localhost:2525', `127.0.0.1:${smtp.port}`)
        .replace('redis://localhost', `redis://127.0.0.1:${redis.port}`);
      const { stdout } = await run(folder, ['-c', `exec 2>&1; ${there}`], {
        program: ['bash'], env: { PATH: `${bin}:${process.env.PATH}` },
      });
      return stdout;
    },
    close: () => Promise.all([smtp.stop(), redis.stop()]),
  };
}
