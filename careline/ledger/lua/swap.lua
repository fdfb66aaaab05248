-- Replace or remove fields of a hash that still are as they were seen; ask for cards anew.
-- ARGV (packed): epoch wanted · hash · count, then field, sha1 of what was seen, its new value ('' = it leaves)
--   · count, then case id, version that its card should show.
-- Answer: 'ok', how many fields were replaced or removed.
local ARGV = unpacked(ARGV[1], ARGV[2])
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local name, at, changed = key(ARGV[2]), 4, 0
for _ = 1, tonumber(ARGV[3]) do
  local field, seen, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local found = redis.call('HGET', name, field)
  if found and redis.sha1hex(found) == seen then
    if value == '' then redis.call('HDEL', name, field) else redis.call('HSET', name, field, value) end
    changed = changed + 1
  end
  at = at + 3
end
for _ = 1, tonumber(ARGV[at]) do
  redis.call('ZADD', key('refresh'), 'GT', ARGV[at + 2], ARGV[at + 1])
  at = at + 2
end
return {'ok', changed}
