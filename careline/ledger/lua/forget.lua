-- A case leaves with all that is about it alone, if nothing happened to it meanwhile.
-- ARGV: epoch wanted · case id · head seen · line · the line's record seen.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local case, line = ARGV[2], ARGV[4]
if redis.call('HGET', key('heads'), case) ~= ARGV[3] then return {'ok', 0} end
for _, name in ipairs({'cases', 'heads'}) do redis.call('HDEL', key(name), case) end
for _, name in ipairs({'due', 'refresh'}) do redis.call('ZREM', key(name), case) end
if ARGV[5] ~= '' and redis.call('HGET', key('lines'), line) == ARGV[5] then
  redis.call('HDEL', key('lines'), line)
end
return {'ok', 1}
