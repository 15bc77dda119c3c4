/**
 * What the Redis host has the server do in one step, with the SHA-1 by which the server knows it.
 *
 * @typedef {{ text: string, digest: string }} Script
 */

/**
 * Checks and writes some batches, each by itself. KEYS, three a batch: the ids of envelopes, those of meta records, the
 * records. ARGV: the channel; then, six a batch, its id, what the envelope and the meta record are now, and what the
 * envelope, the meta record and the message become. `-` is nothing, and `.` whatever it is, neither of which begins a
 * record. An envelope that is `+` is to be new, as the set of ids says, and all three are written. Answers with 1, 0 or
 * an error for each.
 *
 * With one key, the records, a meta record is changed: the channel, the id, the field, what it is and what it becomes.
 *
 * What fails after a write would leave that write, so that keys of the wrong kind must show before, or it is undone.
 *
 * @type {Script}
 */
export const COMMIT = {
  digest: 'ccab3cdbdd122e394835d611fd9946569c27c607',
  text: `local call, results, changed = redis.call, {}, {}
local function commit(envelopes, metas, records, id, oldEnvelope, oldMeta, envelope, meta, message)
  local fields = {'envelope:' .. id, 'meta:' .. id, 'message:' .. id}
  if oldEnvelope == '+' then
    if call('ZADD', envelopes, '0', id) == 0 then return 0 end
    local ok, problem = pcall(function()
      call('ZADD', metas, '0', id)
      call('HSET', records, fields[1], envelope, fields[2], meta, fields[3], message)
    end)
    if ok then return 1 end
    redis.pcall('ZREM', metas, id)
    call('ZREM', envelopes, id)
    error(problem, 0)
  end
  local now = call('HGET', records, fields[2]) or '-'
  if oldMeta ~= '.' and oldMeta ~= now then return 0 end
  if oldEnvelope ~= '.' and (call('HGET', records, fields[1]) or '-') ~= oldEnvelope then return 0 end
  call('ZCARD', metas)
  for i, value in ipairs({envelope, meta, message}) do
    local ids = ({envelopes, metas})[i]
    if value == '-' then
      if ids then call('ZREM', ids, id) end
      call('HDEL', records, fields[i])
    elseif value ~= '.' then
      if ids then call('ZADD', ids, '0', id) end
      call('HSET', records, fields[i], value)
    end
  end
  return 1
end
for i = 1, #KEYS, 3 do
  local envelopes, metas, records = unpack(KEYS, i, i + 2)
  local ok, result = pcall(commit, envelopes, metas, records, unpack(ARGV, i * 2, i * 2 + 5))
  if result == 1 then changed[#changed + 1] = ARGV[i * 2] end
  results[#results + 1] = ok and result or result.err or result
end
if changed[1] then redis.pcall('PUBLISH', ARGV[1], table.concat(changed, ' ')) end
return results`,
};
