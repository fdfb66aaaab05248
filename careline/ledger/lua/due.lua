-- The cases whose next step is due, with their state. ARGV: epoch wanted · limit.
-- Answer: 'ok', epoch, time in µs, then case id, head, state for each.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local now = microseconds()
local found = redis.call('ZRANGEBYSCORE', key('due'), '-inf', text(math.floor(now / 1000)), 'LIMIT', 0, ARGV[2])
local answer = {'ok', epoch, text(now)}
for _, case in ipairs(found) do
  answer[#answer + 1] = case
  answer[#answer + 1] = redis.call('HGET', key('heads'), case) or ''
  answer[#answer + 1] = redis.call('HGET', key('cases'), case) or ''
end
return answer
