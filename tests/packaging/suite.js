// What somebody does who has written a host: the suite on it, without a test framework.
import { conformance } from 'slimta-queue-dict/conformance';

class PlainHost {
  supports = { atomic: true, writers: 'many', exactlyOnceLoad: true, durable: 'none' };
  kept;

  constructor(kept = { envelope: new Map(), meta: new Map() }) {
    this.kept = kept;
  }

  async read(dict, id) {
    const stored = this.kept[dict].get(id);
    return stored && { value: structuredClone(stored.value), version: stored.version };
  }

  async commit({ checks, writes }) {
    const copies = structuredClone(writes);
    const holds = ({ dict, id, version }) => (this.kept[dict].get(id)?.version ?? null) === version;
    if (!checks.every(holds)) return false;
    for (const { dict, id, value } of copies) {
      if (value === undefined) this.kept[dict].delete(id);
      else this.kept[dict].set(id, { value, version: {} });
    }
    return true;
  }

  async page(dict, cursor = '', limit) {
    const ids = [...this.kept[dict].keys()].filter((id) => id > cursor).sort();
    const entries = ids.slice(0, limit).map((id) => [id, structuredClone(this.kept[dict].get(id).value)]);
    return ids.length > limit ? { entries, next: entries.at(-1)[0] } : { entries };
  }

  async sizes() {
    return { size: this.kept.envelope.size, metaSize: this.kept.meta.size };
  }
}

const tests = [];
conformance({
  test: (name, run) => tests.push([name, run]),
  open: () => new PlainHost(),
  reopen: ({ kept }) => new PlainHost(kept),
});
const failed = [];
for (const [name, run] of tests) await run().catch((error) => failed.push(`${name}: ${error.stack}`));
console.log(JSON.stringify({ passed: tests.length - failed.length, failed }));
