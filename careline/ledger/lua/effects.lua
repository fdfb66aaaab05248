-- The effects of an executor that are due. ARGV: epoch wanted · executor · limit.
-- Answer: 'ok', epoch, time in µs, then effect id and record for each.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local now = microseconds()
local found = redis.call(
  'ZRANGEBYSCORE', key('effects:' .. ARGV[2]), '-inf', text(math.floor(now / 1000)), 'LIMIT', 0, ARGV[3])
local answer = {'ok', epoch, text(now)}
for _, effect in ipairs(found) do
  answer[#answer + 1] = effect
  answer[#answer + 1] = redis.call('HGET', key('effect'), effect) or ''
end
return answer
