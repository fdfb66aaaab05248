-- The oldest entries of the outbox, read under the fence. ARGV: epoch wanted · limit.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
return {'ok', epoch, redis.call('XRANGE', key('outbox'), '-', '+', 'COUNT', ARGV[2])}
