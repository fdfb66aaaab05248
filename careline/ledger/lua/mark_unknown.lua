-- One page of the effects without an outcome: each counts as attempted now, outcome unknown.
-- ARGV: epoch · cursor. Answer: 'ok', next cursor, how many were marked.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local now = text(math.floor(microseconds() / 1000))
local page = redis.call('HSCAN', key('effect'), ARGV[2], 'COUNT', 500)
local found = page[2]
for i = 1, #found, 2 do
  local record = effect_record(found[i + 1])
  record.attempts = math.max(record.attempts, 1)
  record.attempted_at = now
  record.unknown = '1'
  redis.call('HSET', key('effect'), found[i], effect_raw(record))
end
return {'ok', page[1], text(#found / 2)}
