-- Reply texts whose effect has its outcome leave, some time after that was first seen.
-- ARGV: epoch wanted · seen before, ms · fields. Answer: 'ok', how many left.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local now, gone = text(math.floor(microseconds() / 1000)), 0
for i = 3, #ARGV do
  local effect = ARGV[i]
  if redis.call('HEXISTS', key('effect'), effect) == 0 then
    redis.call('ZADD', key('texts:at'), 'NX', now, effect)
    if tonumber(redis.call('ZSCORE', key('texts:at'), effect)) < tonumber(ARGV[2]) then
      redis.call('HDEL', key('texts'), effect)
      redis.call('ZREM', key('texts:at'), effect)
      gone = gone + 1
    end
  end
end
return {'ok', gone}
