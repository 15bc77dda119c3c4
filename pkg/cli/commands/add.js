/** @import { Command, Context } from '../context.js' */
/** @import { Envelope } from '../../types.js' */
import { readFile } from 'node:fs/promises';
import { addAbortSignal } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { parseMessage } from '../../load/inline.js';
import { recipientsOf, senderOf } from '../addresses.js';
import { Failure, UsageError } from '../failures.js';
import { PLACE_OPTIONS, queueOn, whereOf } from '../places/place.js';
import { printable } from '../printable.js';
import { aSender, aText, aTime, anAddress } from '../values.js';

/** @type {Command} */
export const add = {
  summary: 'Queues messages from files',
  about: [
    'A file is a whole message, as mail programs save it (.eml); - is the standard input. It writes the ids of what it has '
      + 'queued.',
    'Sender and recipients are those of Return-Path, Sender or From, and of To, Cc and Bcc, unless options say them. Bcc is '
      + 'left out of the message; nothing else of it is changed.',
  ],
  operands: { name: 'FILE', least: 1, most: Infinity, read: aText, once: true },
  options: {
    ...PLACE_OPTIONS,
    from: { value: 'ADDRESS', help: 'the sender; nothing, or <>, is the null sender', read: aSender },
    to: { value: 'ADDRESS', help: 'a recipient, in the place of those in the headers', read: anAddress, many: true },
    at: { value: 'TIME', help: 'when it is due: 2030-01-31T08:00Z or, from now, +90s, +15m, +2h, +5d', read: aTime },
    key: { value: 'KEY', help: 'a repeat with the same key queues nothing while the message is there; of one file', read: aText },
  },
  async run(context) {
    const { values, operands, out, progress } = context;
    const { at, key } = values;
    if (key !== undefined && operands.length > 1) throw new UsageError('--key stands for one message: name one file');
    const where = whereOf(values);
    const queue = queueOn((await context.open(where, { create: true })).storage, undefined);
    return context.each(async (file) => {
      const envelope = await read(file, context);
      // The program that wrote it has ended in the middle, perhaps.
      if (context.signal.aborted) throw new Failure('interrupted: it was not queued');
      const [[, id]] = await queue.enqueue(envelope, { at, key }).catch((error) => {
        throw error instanceof TypeError || error instanceof RangeError ? new Failure(error.message) : error;
      });
      progress.clear();
      await (values.json ? out.json({ file, id }) : out.line(`${id}${operands.length > 1 ? `  ${printable(file)}` : ''}`));
    });
  },
};

/**
 * @param {string} file
 * @param {Context} context
 * @returns {Promise<Envelope>}
 */
async function read(file, { values: { from, to }, signal }) {
  const { headers, message } = parseMessage(await bytesOf(file, signal));
  if (headers.length === 0) throw new Failure('is no message: it begins with no header');
  return {
    sender: from ?? senderOf(headers), recipients: to ?? recipientsOf(headers),
    // Who gets a blind copy is for the envelope only.
    headers: headers.filter(([name]) => name.toLowerCase() !== 'bcc'),
    message, timestamp: Date.now(),
  };
}

/**
 * @param {string} file
 * @param {AbortSignal} signal
 */
async function bytesOf(file, signal) {
  try {
    return file === '-' ? await buffer(addAbortSignal(signal, process.stdin)) : await readFile(file);
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    if (code === 'ABORT_ERR') throw new Failure('interrupted: it was not queued');
    throw new Failure(code === 'ENOENT' ? 'there is no such file' : `cannot be read: ${message}`);
  }
}
