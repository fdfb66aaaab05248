-- Record an attempt before the call is made, or say why it must not be made.
--
-- ARGV: epoch wanted · executor · effect id · ms until somebody else may look at it again.
-- Answer: 'ok', number of the attempt, time in ms; or 'no' and the reason.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local now = math.floor(microseconds() / 1000)
local raw = redis.call('HGET', key('effect'), ARGV[3])
if not raw then return {'no', 'gone'} end
local score = tonumber(redis.call('ZSCORE', key('effects:' .. ARGV[2]), ARGV[3]) or nil)
if not score then return {'no', 'gone'} end
if score > now then return {'no', 'not_due'} end
local record = effect_record(raw)
if record.unknown == '1' then return {'no', 'unknown'} end
if record.cancelled ~= '' then return {'no', 'cancelled', record.cancelled} end
if record.not_after ~= '' and now > tonumber(record.not_after) then return {'no', 'too_late'} end

local function before(one, other)
  local a, b = string.match(one, '^(%d+)-(%d+)$')
  local c, d = string.match(other, '^(%d+)-(%d+)$')
  if a ~= c then return tonumber(a) < tonumber(c) end
  return tonumber(b) < tonumber(d)
end
if record.outbox ~= '' and before(redis.call('GET', key('sent')) or '0-0', record.outbox) then
  return {'no', 'not_in_log'}
end

record.attempts = record.attempts + 1
record.attempted_at = text(now)
record.unknown = '1'
redis.call('HSET', key('effect'), ARGV[3], effect_raw(record))
redis.call('ZADD', key('effects:' .. ARGV[2]), text(now + tonumber(ARGV[4])), ARGV[3])
return {'ok', text(record.attempts), text(now)}
