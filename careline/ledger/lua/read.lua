-- Everything that a batch of records needs to be decided on, in one round trip.
--
-- ARGV (packed): epoch wanted ('' = any healthy) · topic · second topic · then four lists, each with its
-- length first: causes, lines, mentions (own ids), targets (mentions replied to), cases.
-- Answer: 'ok', epoch, time in µs, in of both topics, lengths, values. `lengths` names the length
-- of each value (-1: none); the values follow each other in one string, which costs the client
-- one reply to parse in place of thousands. Last, the authors whose words must stay away: hash and
-- time in ms, one after the other; there are few, and they must be seen by every commit.
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

local causes, own_lines, mentions, targets = list(), list(), list(), list()
local known_causes = fields_of('causes', causes)
local lines = fields_of('lines', own_lines)
local known_mentions = fields_of('mentions', targets, fields_of('mentions', mentions))
local awaited = fields_of('awaited', mentions)

-- A mention's record begins with the length of its line, a colon and the line.
local lines_of_targets, more_lines = {}, {}
for _, mention in ipairs(targets) do
  local raw = known_mentions[mention]
  local size = raw and tonumber(string.match(raw, '^(%d+):'))
  if size and size > 0 then
    local begin = #tostring(size) + 2
    local line = string.sub(raw, begin, begin + size - 1)
    lines_of_targets[mention] = line
    if lines[line] == nil then more_lines[#more_lines + 1] = line end
  end
end
fields_of('lines', more_lines, lines)

-- A line's record begins with its case id and a line feed, so that no JSON is read here.
local function put_line(line)
  local raw = lines[line]
  put(raw)
  if raw then want(string.match(raw, '^([^\n]*)\n')) end
end

for _, cause in ipairs(causes) do put(known_causes[cause]) end
for _, line in ipairs(own_lines) do put_line(line) end
for _, mention in ipairs(mentions) do
  put(known_mentions[mention])
  put(awaited[mention])
end
for _, mention in ipairs(targets) do
  local line = lines_of_targets[mention]
  put(known_mentions[mention])
  put(line)
  if line then put_line(line) else put(false) end
end
for _, case in ipairs(list()) do want(case) end
local heads, cases = fields_of('heads', order), fields_of('cases', order)
for _, case in ipairs(order) do
  put(case)
  put(heads[case])
  put(cases[case])
end
return {
  'ok', epoch, text(microseconds()),
  redis.call('HGET', key('in'), ARGV[2]) or '', redis.call('HGET', key('in'), ARGV[3]) or '',
  table.concat(lengths, ','), table.concat(values), redis.call('HGETALL', key('erased')),
}
