-- Whether an entry of the due-set has been due for so many ms. A look: it needs no fence.
local limit = math.floor(microseconds() / 1000) - tonumber(ARGV[1])
return {#redis.call('ZRANGEBYSCORE', key('due'), '-inf', text(limit), 'LIMIT', 0, 1)}
