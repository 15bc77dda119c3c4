/**
 * What the Redis host has the server do in one step, with the SHA-1 by which the server knows it.
 *
 * @typedef {{ text: string, digest: string }} Script
 */

/**
 * Checks and writes one batch. KEYS: the ids of envelopes, those of meta records, the envelopes, the meta records, the
 * messages. ARGV: the id, the channel, then the number of checks and each one's dictionary, kind and record, then the
 * number of writes and each one's dictionary, kind, record and message. The kind 'none' is absence. All keys are looked
 * at first, since what fails after a write would leave that write.
 *
 * @type {Script}
 */
export const COMMIT = {
  digest: 'b3ff82f357053cf6c21461360a7f1793b5a6c872',
  text: `local id, at = ARGV[1], 2
local function take() at = at + 1 return ARGV[at] end
for i = 1, 5 do redis.call(i < 3 and 'ZSCORE' or 'HEXISTS', KEYS[i], id) end
for _ = 1, take() do
  local dict, kind, record = take(), take(), take()
  local now = redis.call('HGET', KEYS[dict + 2], id)
  if now ~= (kind ~= 'none' and record) then return 0 end
end
for _ = 1, take() do
  local dict, kind, record, message = take() + 0, take(), take(), take()
  if kind == 'none' then
    redis.call('ZREM', KEYS[dict], id)
    redis.call('HDEL', KEYS[dict + 2], id)
  else
    redis.call('ZADD', KEYS[dict], 0, id)
    redis.call('HSET', KEYS[dict + 2], id, record)
  end
  if kind == 'message' then redis.call('HSET', KEYS[5], id, message)
  elseif dict == 1 then redis.call('HDEL', KEYS[5], id) end
end
redis.pcall('PUBLISH', ARGV[2], id)
return 1`,
};

/**
 * An envelope and its message as they are at one moment. KEYS: the envelopes, the messages. ARGV: the id.
 *
 * @type {Script}
 */
export const READ = {
  digest: '724673fd88eb6c25e659c109bd958256b472043f',
  text: `local record = redis.call('HGET', KEYS[1], ARGV[1])
return record and { record, redis.call('HGET', KEYS[2], ARGV[1]) }`,
};

/**
 * Some ids and their meta records. KEYS: the ids, the records. ARGV: where the ids begin, and how many at most.
 *
 * @type {Script}
 */
export const PAGE = {
  digest: '091560bf46ae11b28404315c5796a1edadf76f10',
  text: `local ids = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], '+', 'LIMIT', 0, ARGV[2])
return { ids, #ids > 0 and redis.call('HMGET', KEYS[2], unpack(ids)) or {} }`,
};
