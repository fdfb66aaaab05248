-- The one script that changes cases. It knows no business rule.
--
-- Promise: nothing is written unless the fence holds and the input is in sequence; all commits are
-- checked before the first write, and no check stands between two writes. `in` moves in the same
-- step, only forward, and never past a record that is still to be decided.
--
-- ARGV (packed): epoch · log ('' or its new value)
--   · sequences: count, then topic, first, last, records, strict (1: an unseen topic begins at 0)
--   · puts: count, then mode, hash, field, value     (set: always; pending: if the effect is open)
--   · commits: count, then 12 fields, the number of operations, and those with their arguments
-- Answer: 'ok', one letter a commit (d done, r repeat, x repeat with another body, c conflict),
--   length of the outbox; or 'fenced', 'hole', 'gap' with what was found.
local ARGV = unpacked(ARGV[1], ARGV[2])
local ARITY = {O = 2, E = 5, D = 2, C = 3, R = 2, T = 2}

local ok, epoch = stands(ARGV[1])
if not ok then return {'fenced', epoch} end
local at = 3
local function take()
  local value = ARGV[at]
  at = at + 1
  return value
end

local sequences = {}
for i = 1, tonumber(take()) do
  local topic, first, last = take(), tonumber(take()), tonumber(take())
  local records, strict = tonumber(take()), take()
  local seen = tonumber(redis.call('HGET', key('in'), topic) or nil)
  if last - first + 1 ~= records then return {'hole', topic} end
  if not seen and strict == '1' then seen = -1 end
  if seen and first > seen + 1 then return {'gap', topic, text(seen + 1)} end
  sequences[i] = {topic = topic, last = last, seen = seen or -1}
end

local puts = at
local put_count = tonumber(take())
at = at + put_count * 4

local commits, letters, broken = {}, {}, {}
local first_conflict = nil
local named = {causes = {}, heads = {}, lines = {}}
for i = 1, tonumber(take()) do
  local commit = {
    offset = tonumber(take()), cause = take(), digest = take(), result = take(),
    case = take(), expected = take(), head = take(), state = take(), due = take(),
    line = take(), old_line = take(), new_line = take(),
  }
  commit.operations = tonumber(take())
  commit.begin = at
  for _ = 1, commit.operations do at = at + 1 + ARITY[ARGV[at]] end
  named.causes[i], named.heads[i], named.lines[i] = commit.cause, commit.case, commit.line
  commits[i] = commit
end
local causes = fields_of('causes', named.causes)
local heads = fields_of('heads', named.heads)
local lines = fields_of('lines', named.lines)

local function judge(commit)
  if broken['c' .. commit.case] or broken['l' .. commit.line] then return 'c' end
  local known = causes[commit.cause]
  if known then
    return string.sub(known, 1, #commit.digest) == commit.digest and 'r' or 'x'
  end
  if commit.case ~= '' and (heads[commit.case] or '') ~= commit.expected then return 'c' end
  if commit.line ~= '' and (lines[commit.line] or '') ~= commit.old_line then return 'c' end
  return 'd'
end

for i, commit in ipairs(commits) do
  local letter = judge(commit)
  if letter == 'd' then
    causes[commit.cause] = commit.digest
    if commit.head ~= '' then heads[commit.case] = commit.head end
    if commit.new_line ~= '' then lines[commit.line] = commit.new_line end
  else
    -- Later commits built on this one, and somebody else's outcome may differ from it.
    if commit.case ~= '' then broken['c' .. commit.case] = true end
    if commit.line ~= '' then broken['l' .. commit.line] = true end
  end
  if letter == 'c' or letter == 'x' then
    if not first_conflict and commit.offset >= 0 then first_conflict = commit.offset end
  end
  letters[i] = letter
end

-- From here on there are only writes. Fields of one hash are written by one call at the end: a
-- call costs more than a field, here and in the append-only file.
local now = text(math.floor(microseconds() / 1000))
local logged = nil
local gathered, dues = {}, {}

local function later(name, a, b)
  local list = gathered[name]
  if not list then
    list = {}
    gathered[name] = list
  end
  list[#list + 1] = a
  list[#list + 1] = b
end

local function flush(command, name)
  local list = gathered[name] or {}
  for from = 1, #list, CHUNK do
    redis.call(command, key(name), unpack(list, from, math.min(from + CHUNK - 1, #list)))
  end
end

local write = {
  O = function(a) logged = redis.call('XADD', key('outbox'), '*', 'b', ARGV[a], 'n', ARGV[a + 1]) end,
  E = function(a)
    local executor, effect, due, not_after, intent = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
    local raw = '0||0|' .. (logged or '') .. '|' .. not_after .. '|' .. due .. '|\n' .. intent
    if redis.call('HSETNX', key('effect'), effect, raw) == 1 then
      redis.call('ZADD', key('effects:' .. executor), due, effect)
    end
  end,
  D = function(a)
    redis.call('ZREM', key('effects:' .. ARGV[a]), ARGV[a + 1])
    redis.call('HDEL', key('effect'), ARGV[a + 1])
  end,
  C = function(a)
    local raw = redis.call('HGET', key('effect'), ARGV[a + 1])
    if not raw then return end
    local record = effect_record(raw)
    record.cancelled = ARGV[a + 2]
    redis.call('HSET', key('effect'), ARGV[a + 1], effect_raw(record))
    if record.unknown == '0' then redis.call('ZADD', key('effects:' .. ARGV[a]), 'XX', '0', ARGV[a + 1]) end
  end,
  R = function(a) redis.call('ZADD', key('refresh'), 'GT', ARGV[a + 1], ARGV[a]) end,
  T = function(a) later('texts', ARGV[a], ARGV[a + 1]) end,
}

local function write_commit(commit)
  later('causes', commit.cause, commit.digest .. '|' .. commit.result)
  later('causes:at', now, commit.cause)
  if commit.state ~= '' then
    later('cases', commit.case, commit.state)
    later('heads', commit.case, commit.head)
  end
  if commit.due ~= '' then dues[commit.case] = commit.due end
  if commit.new_line ~= '' then later('lines', commit.line, commit.new_line) end
  logged = nil
  local a = commit.begin
  for _ = 1, commit.operations do
    local code = ARGV[a]
    write[code](a + 1)
    a = a + 1 + ARITY[code]
  end
end

for i, commit in ipairs(commits) do
  if letters[i] == 'd' then write_commit(commit) end
end
for i = 0, put_count - 1 do
  local a = puts + 1 + i * 4
  if ARGV[a] == 'set' or redis.call('HEXISTS', key('effect'), ARGV[a + 2]) == 1 then
    later(ARGV[a + 1], ARGV[a + 2], ARGV[a + 3])
  end
end
for case, due in pairs(dues) do
  if due == '-' then redis.call('ZREM', key('due'), case) else later('due', due, case) end
end
flush('ZADD', 'causes:at')
flush('ZADD', 'due')
for _, name in ipairs({'causes', 'cases', 'heads', 'lines', 'mentions', 'awaited', 'texts', 'erased'}) do
  flush('HSET', name)
end
for i, sequence in ipairs(sequences) do
  local last = sequence.last
  -- The first sequence is the batch's own topic; the source's moves only with the whole batch.
  if first_conflict then last = i == 1 and math.min(last, first_conflict - 1) or sequence.seen end
  if last > sequence.seen then redis.call('HSET', key('in'), sequence.topic, text(last)) end
end
if ARGV[2] ~= '' then redis.call('SET', key('log'), ARGV[2]) end
return {'ok', table.concat(letters), redis.call('XLEN', key('outbox'))}
