-- What a rebuild has sent leaves the outbox; the log's place stays, for it begins anew.
-- ARGV: epoch · last id sent.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local time, number = string.match(ARGV[2], '^(%d+)-(%d+)$')
redis.call('XTRIM', key('outbox'), 'MINID', time .. '-' .. text(tonumber(number) + 1))
return {'ok'}
