-- Set the epoch if it still is the one that was seen. ARGV: seen · new value without run id · same.
-- `same`: 1 = only on the server that the seen value names (the end of a recovery).
local found = redis.call('GET', key('epoch')) or ''
local run = own_run_id()
if found ~= ARGV[1] then return {'no', found} end
if ARGV[3] == '1' and string.match(found, '@(%x+)$') ~= run then return {'no', found} end
local value = ARGV[2] .. '@' .. run
redis.call('SET', key('epoch'), value)
return {'ok', value}
