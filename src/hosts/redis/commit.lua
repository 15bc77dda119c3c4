-- Checks and writes some batches, each by itself, in one step. KEYS, three a batch: the ids of envelopes, those of meta
-- records, the records. ARGV: the channel; then, six a batch, its id, what the envelope and the meta record are now, and
-- what the envelope, the meta record and the message beside it become. `-` is nothing and `.` whatever it is, neither of
-- which begins a record. Answers with 1, 0 or an error for each.
--
-- What fails after a write would leave that write, so keys of the wrong kind show before. What was there is among the
-- ids. A server that is full refuses what may take room unless the script has written before, so a change that it refuses
-- deletes first: a message that is there is delivered and marked all the same.
--
-- A server that is killed while it writes its append-only file may keep the first commands of a script, and makes them at
-- the start after the next one (seen in Redis 7.0.15). So none leaves what others take for a message: a record is there
-- before its id, a meta record goes before its envelope, and a change is one command.
local call, at, results, changed = redis.call, 2, {}, {}
local function commit(envelopes, metas, records)
  local id, was, had, envelope, meta, message = unpack(ARGV, at, at + 5)
  local field, other, beside = 'envelope:' .. id, 'meta:' .. id, 'message:' .. id
  local now = call('HGET', records, other)
  if had ~= '.' and had ~= (now or '-') then return 0 end
  if envelope ~= '.' then call('ZCARD', metas) end
  if was == '-' and #envelope > 1 and #meta > 1 then
    if call('ZSCORE', envelopes, id) then return 0 end
    call('HSET', records, field, envelope, other, meta, beside, message)
    call('ZADD', envelopes, '0', id)
    call('ZADD', metas, '0', id)
    return 1
  end
  if was ~= '.' and was ~= (call('HGET', records, field) or '-') then return 0 end
  if meta == '-' then
    call('ZREM', metas, id)
    call('HDEL', records, other)
  end
  if envelope == '-' then
    call('ZREM', envelopes, id)
    call('HDEL', records, field, beside)
  elseif envelope ~= '.' then
    call('HSET', records, field, envelope, beside, message)
    call('ZADD', envelopes, '0', id)
  end
  if #meta > 1 and #had > 1 then
    if type(redis.pcall('HSET', records, other, meta)) == 'table' then
      call('HDEL', records, other)
      call('HSET', records, other, meta)
    end
  elseif #meta > 1 then
    call('HSET', records, other, meta)
    call('ZADD', metas, '0', id)
  end
  return 1
end
for i = 1, #KEYS, 3 do
  local _, result = pcall(commit, unpack(KEYS, i, i + 2))
  table.insert(results, result)
  if result == 1 then table.insert(changed, ARGV[at]) end
  at = at + 6
end
if changed[1] then redis.pcall('PUBLISH', ARGV[1], table.concat(changed, ' ')) end
return results
