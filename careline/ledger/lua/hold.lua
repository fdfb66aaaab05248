-- Look at an effect again later. ARGV: epoch wanted · executor · effect id · ms · attempts.
-- `attempts`: so many were definitely not done, so that another one may be made, unless somebody
-- has made one meanwhile; '' = what is known stays as it is.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local raw = redis.call('HGET', key('effect'), ARGV[3])
if not raw then return {'no', 'gone'} end
local record = effect_record(raw)
if ARGV[5] ~= '' and tonumber(ARGV[5]) ~= record.attempts then return {'no', 'attempted'} end
local due = math.floor(microseconds() / 1000) + tonumber(ARGV[4])
redis.call('ZADD', key('effects:' .. ARGV[2]), 'XX', text(due), ARGV[3])
if ARGV[5] ~= '' then
  record.unknown = '0'
  redis.call('HSET', key('effect'), ARGV[3], effect_raw(record))
end
return {'ok'}
