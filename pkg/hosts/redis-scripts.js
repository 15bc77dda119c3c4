/**
 * What the Redis host has the server do in one step, with the SHA-1 by which the server knows it.
 *
 * @typedef {{ text: string, digest: string }} Script
 */

/**
 * Checks and writes some batches, each by itself. KEYS, three a batch: the ids of envelopes, those of meta records, the
 * records. ARGV: the channel; then of each batch five marks and its id, and the values of those marked `+`. The marks
 * say what the envelope and the meta record are now, and what the envelope, the meta record and the message become; `-`
 * is nothing, and `.` whatever it is. Answers with 1, 0 or an error for each.
 *
 * Whether an envelope is new, the set of ids says. As what fails after a write would leave that write, the sets of ids,
 * which may be no sets, are changed back then.
 *
 * @type {Script}
 */
export const COMMIT = {
  digest: '0654ac647a8a9ba23a038b5f1d54e2c0921ab273',
  text: `local call, results, changed = redis.call, {}, {}
local function list(key, id, value)
  if value == nil then return 0 end
  if value then return call('ZADD', key, '0', id) end
  return -call('ZREM', key, id)
end
local function put(records, field, value)
  if value then call('HSET', records, field, value) elseif value == false then call('HDEL', records, field) end
end
local function write(records, id, envelope, meta, message)
  local fields = {'envelope:' .. id, 'meta:' .. id, 'message:' .. id}
  if envelope and meta and message then
    return call('HSET', records, fields[1], envelope, fields[2], meta, fields[3], message)
  end
  put(records, fields[1], envelope)
  put(records, fields[2], meta)
  put(records, fields[3], message)
end
local function commit(envelopes, metas, records, id, oldEnvelope, oldMeta, envelope, meta, message)
  local isNew = envelope and oldEnvelope == false
  if oldMeta ~= nil and call('HGET', records, 'meta:' .. id) ~= oldMeta then return 0 end
  if oldEnvelope ~= nil and not isNew and call('HGET', records, 'envelope:' .. id) ~= oldEnvelope then return 0 end
  local moved, listed, ok, result = list(envelopes, id, envelope), 0, true
  if isNew and moved == 0 then return 0 end
  if not (oldMeta and meta) then ok, listed = pcall(list, metas, id, meta) end
  if ok then
    ok, result = pcall(write, records, id, envelope, meta, message)
    if ok then return 1 end
    if listed ~= 0 then list(metas, id, listed < 0) end
  end
  if moved ~= 0 then list(envelopes, id, moved < 0) end
  error(result or listed, 0)
end
local at = 2
for i = 1, #KEYS, 3 do
  local head, values = ARGV[at], {}
  local id = head:sub(6)
  for j = 1, 5 do
    local mark = head:byte(j)
    if mark == 43 then
      at = at + 1
      values[j] = ARGV[at]
    elseif mark == 45 then values[j] = false end
  end
  at = at + 1
  local ok, result = pcall(commit, KEYS[i], KEYS[i + 1], KEYS[i + 2], id, unpack(values, 1, 5))
  if result == 1 then changed[#changed + 1] = id end
  results[#results + 1] = ok and result or result.err or result
end
if changed[1] then redis.pcall('PUBLISH', ARGV[1], table.concat(changed, ' ')) end
return results`,
};
