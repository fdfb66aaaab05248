-- Where the input begins, unless it is known already. ARGV: epoch · topic · offset before it.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
redis.call('HSETNX', key('in'), ARGV[2], ARGV[3])
return {'ok', redis.call('HGET', key('in'), ARGV[2])}
