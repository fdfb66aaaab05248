-- Look at an effect again later. ARGV: epoch wanted · executor · effect id · ms · unknown.
-- `unknown`: 0 = it was definitely not done, so that it may be attempted again; '' = as it is.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local raw = redis.call('HGET', key('effect'), ARGV[3])
if not raw then return {'no', 'gone'} end
local due = math.floor(microseconds() / 1000) + tonumber(ARGV[4])
redis.call('ZADD', key('effects:' .. ARGV[2]), 'XX', text(due), ARGV[3])
if ARGV[5] ~= '' then
  local record = effect_record(raw)
  record.unknown = ARGV[5]
  redis.call('HSET', key('effect'), ARGV[3], effect_raw(record))
end
return {'ok'}
