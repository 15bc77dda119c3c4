// Runs the suite for hosts on Deno KV, in files of a folder, and prints how each test went, a line each.
import { conformance } from 'slimta-queue-dict/conformance';
import { denoKvHost } from 'slimta-queue-dict/deno-kv';

const [folder] = Deno.args;
const databases = new Map();
const places = new WeakMap();
let number = 0;

/** A host on a file; with the last one that is closed, the database is closed too. */
async function hostOn(path) {
  const found = databases.get(path) ?? { hosts: 0, opening: Deno.openKv(path) };
  databases.set(path, found);
  found.hosts++;
  const kv = await found.opening;
  const host = denoKvHost(kv);
  let isOpen = true;
  host.close = () => {
    if (isOpen && --found.hosts === 0) {
      databases.delete(path);
      kv.close();
    }
    isOpen = false;
  };
  places.set(host, path);
  return host;
}

const tests = [];
conformance({
  test: (name, run) => tests.push([name, run]),
  open: () => hostOn(`${folder}/${number++}.kv`),
  reopen: (host) => hostOn(places.get(host)),
});
for (const [name, run] of tests) {
  let error;
  try {
    await run();
  } catch (thrown) {
    error = thrown?.stack ?? String(thrown);
  }
  console.log(JSON.stringify({ name, error }));
}
