// Where the language has `await using`, a storage can be used so.
import { AsyncDictStorage } from 'slimta-queue-dict';

export async function count(): Promise<number> {
  await using storage = new AsyncDictStorage();
  const disposable: AsyncDisposable = storage;
  const closed: Promise<void> = storage[Symbol.asyncDispose]();
  await closed;
  return disposable === storage ? (await storage.getInfo()).size : 0;
}
