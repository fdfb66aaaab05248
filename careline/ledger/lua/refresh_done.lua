-- A card shows a version: it leaves the set unless a later one is wanted meanwhile.
-- ARGV: epoch wanted · case id · version shown.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local wanted = tonumber(redis.call('ZSCORE', key('refresh'), ARGV[2]) or nil)
if wanted and wanted <= tonumber(ARGV[3]) then redis.call('ZREM', key('refresh'), ARGV[2]) end
return {'ok'}
