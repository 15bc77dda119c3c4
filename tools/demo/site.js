// Writes the page as a folder for any static web server, with the other side in the service worker.
// `node tools/demo/site.js [FOLDER]`
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { pageFiles } from './bundle.js';

/** @param {string} folder is emptied before */
async function writeSite(folder) {
  await rm(folder, { recursive: true, force: true });
  for (const [name, contents] of await pageFiles({ simulated: true })) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), contents);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = resolve(process.argv[2] ?? 'target/site');
  await writeSite(folder);
  console.log(`The page is in ${folder}: copy it to any web server`);
}
