/**
 * What the Redis host has the server do in one step, with the SHA-1 by which the server knows it.
 *
 * @typedef {{ text: string, digest: string }} Script
 */

/**
 * Checks and writes some batches, each by itself. KEYS, three a batch: the ids of envelopes, those of meta records, the
 * records. ARGV: the channel; then, six a batch, its id, what the envelope and the meta record are now, and what the
 * envelope, the meta record and the message become. `-` is nothing, and `.` whatever it is, neither of which begins a
 * record; a message begins with a `+` of its own. Where the envelope is `+`, it is to be new, as the set of ids says,
 * and all three are written as they are. Answers with 1, 0 or an error for each.
 *
 * What fails after a write would leave that write, so keys of the wrong kind show before, or it is undone. A meta record
 * that was there is among the ids.
 *
 * @type {Script}
 */
export const COMMIT = {
  digest: 'a5269590a6dbfd3b4938b4780eb6cef6cc1d683d',
  text: `local call, at, results, changed = redis.call, 2, {}, {}
local function commit(envelopes, metas, records)
  local id, was, had, envelope, meta, message = unpack(ARGV, at, at + 5)
  local fields = {'envelope:' .. id, 'meta:' .. id, 'message:' .. id}
  if was == '+' then
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
  if had ~= '.' and had ~= now then return 0 end
  if was ~= '.' and was ~= (call('HGET', records, fields[1]) or '-') then return 0 end
  if envelope ~= '.' then call('ZCARD', metas) end
  for i, value in ipairs({envelope, meta, message}) do
    local ids = ({envelopes, metas})[i]
    if value == '-' then
      if ids then call('ZREM', ids, id) end
      call('HDEL', records, fields[i])
    elseif value ~= '.' then
      if i == 3 then value = value:sub(2) elseif i == 1 or #had == 1 then call('ZADD', ids, '0', id) end
      call('HSET', records, fields[i], value)
    end
  end
  return 1
end
for i = 1, #KEYS, 3 do
  local ok, result = pcall(commit, unpack(KEYS, i, i + 2))
  if result == 1 then changed[#changed + 1] = ARGV[at] end
  results[#results + 1] = ok and result or result.err or result
  at = at + 6
end
if changed[1] then redis.pcall('PUBLISH', ARGV[1], table.concat(changed, ' ')) end
return results`,
};
