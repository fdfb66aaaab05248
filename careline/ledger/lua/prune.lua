-- Forget causes older than any record that can still come. ARGV: epoch wanted · before, ms · limit.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local old = redis.call('ZRANGEBYSCORE', key('causes:at'), '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[3])
for _, cause in ipairs(old) do
  redis.call('HDEL', key('causes'), cause)
  redis.call('ZREM', key('causes:at'), cause)
end
return {'ok', #old}
