-- Everything that a batch of records needs to be decided on, in one round trip.
--
-- ARGV (packed): epoch wanted ('' = any healthy) · topic · second topic · then four lists, each with its
-- length first: causes, lines, mentions (own ids), targets (mentions replied to), cases.
-- Answer: 'ok', epoch, time in µs, in of both topics, lengths, values. `lengths` names the length
-- of each value (-1: none); the values follow each other in one string, which costs the client
-- one reply to parse in place of thousands.
local ARGV = unpacked(ARGV[1], ARGV[2])
local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local at = 4

local function list()
  local count = tonumber(ARGV[at])
  local found = {}
  for i = 1, count do found[i] = ARGV[at + i] end
  at = at + count + 1
  return found
end

local lengths, values = {}, {}
local function put(value)
  if value then
    lengths[#lengths + 1] = #value
    values[#values + 1] = value
  else
    lengths[#lengths + 1] = -1
  end
end

local wanted, order = {}, {}
local function want(case)
  if case and case ~= '' and not wanted[case] then
    wanted[case] = true
    order[#order + 1] = case
  end
end

-- A line's record begins with its case id and a line feed, so that no JSON is read here.
local function put_line(line)
  local raw = redis.call('HGET', key('lines'), line)
  put(raw)
  if raw then want(string.match(raw, '^([^\n]*)\n')) end
end

for _, cause in ipairs(list()) do put(redis.call('HGET', key('causes'), cause)) end
for _, line in ipairs(list()) do put_line(line) end
for _, mention in ipairs(list()) do
  put(redis.call('HGET', key('mentions'), mention))
  put(redis.call('HGET', key('awaited'), mention))
end
for _, mention in ipairs(list()) do
  local raw = redis.call('HGET', key('mentions'), mention)
  put(raw)
  -- A mention's record begins with the length of its line, a colon and the line.
  local size = raw and tonumber(string.match(raw, '^(%d+):'))
  if size and size > 0 then
    local begin = #tostring(size) + 2
    local line = string.sub(raw, begin, begin + size - 1)
    put(line)
    put_line(line)
  else
    put(false)
    put(false)
  end
end
for _, case in ipairs(list()) do want(case) end
for _, case in ipairs(order) do
  put(case)
  put(redis.call('HGET', key('heads'), case))
  put(redis.call('HGET', key('cases'), case))
end
return {
  'ok', epoch, text(microseconds()),
  redis.call('HGET', key('in'), ARGV[2]) or '', redis.call('HGET', key('in'), ARGV[3]) or '',
  table.concat(lengths, ','), table.concat(values),
}
