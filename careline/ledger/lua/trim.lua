-- What was acknowledged leaves the outbox. ARGV: epoch · last id sent · offset of its record.
-- `log` moves with it: under one epoch nothing else is written behind the EpochStarted.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local time, number = string.match(ARGV[2], '^(%d+)-(%d+)$')
redis.call('XTRIM', key('outbox'), 'MINID', time .. '-' .. text(tonumber(number) + 1))
redis.call('SET', key('sent'), ARGV[2])
local offset = tonumber(string.match(redis.call('GET', key('log')) or '', '^(%d+)|') or -1)
if tonumber(ARGV[3]) > offset then
  redis.call('SET', key('log'), ARGV[3] .. '|' .. string.match(epoch, '^(%d+)@'))
end
return {'ok', redis.call('XLEN', key('outbox'))}
