/** @import { Argument } from './redis-clients.js' */

/**
 * What the Redis host has the server do in one step, with the SHA-1 by which the server knows it.
 *
 * @typedef {{ text: string, digest: string }} Script
 */

/**
 * Checks and writes some batches, each by itself. KEYS, three a batch: the ids of envelopes, those of meta records, the
 * records. ARGV: the channel, and in one string, which spares the client much, a list of batches in MessagePack. A
 * batch is its id, a list of checks (a field of the records and what it holds, empty for nothing) and a list of
 * commands, in the place of whose key stands how far that is from the third. Answers with 1, 0 or an error for each.
 *
 * @type {Script}
 */
export const COMMIT = {
  digest: '11e6b284e3ea11e757332fc9ee9609673096d43c',
  text: `local results, changed = {}, {}
for i, batch in ipairs(cmsgpack.unpack(ARGV[2])) do
  local ok, result = pcall(function()
    for _, check in ipairs(batch[2]) do
      if (redis.call('HGET', KEYS[i * 3], check[1]) or '') ~= check[2] then return 0 end
    end
    for _, command in ipairs(batch[3]) do
      command[2] = KEYS[i * 3 - command[2]]
      redis.call(unpack(command))
    end
    changed[#changed + 1] = batch[1]
    return 1
  end)
  results[i] = ok and result or result.err or result
end
if #changed > 0 then redis.pcall('PUBLISH', ARGV[1], table.concat(changed, ' ')) end
return results`,
};

/** @typedef {Argument | any[]} Packable a list has such values too */

/**
 * ASCII, bytes and lists of them in MessagePack: `str 32`, all that Redis reads, and `array 32`.
 *
 * @param {Packable} value
 */
export function packed(value) {
  const bytes = Buffer.allocUnsafe(sizeOf(value));
  let at = 0;
  const write = (/** @type {Packable} */ each) => {
    bytes[at] = Array.isArray(each) ? 0xdd : 0xdb;
    at = bytes.writeUInt32BE(each.length, at + 1);
    if (Array.isArray(each)) return each.forEach(write);
    if (typeof each === 'string') bytes.write(each, at, 'latin1');
    else bytes.set(each, at);
    at += each.length;
  };
  write(value);
  return bytes;
}

/**
 * @param {Packable} value
 * @returns {number}
 */
export function sizeOf(value) {
  return Array.isArray(value) ? value.reduce((sum, each) => sum + sizeOf(each), 5) : 5 + value.length;
}
