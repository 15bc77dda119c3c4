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
