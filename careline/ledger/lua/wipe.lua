-- Empty a shard for its rebuild from the log. ARGV: epoch. All but the epoch leaves, at once.
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local found = redis.call('KEYS', tag .. ':*')
for _, name in ipairs(found) do
  if name ~= key('epoch') then redis.call('UNLINK', name) end
end
return {'ok'}
