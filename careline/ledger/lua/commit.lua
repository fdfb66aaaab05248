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

local heads, lines, causes, broken = {}, {}, {}, {}
local commits, letters = {}, {}
local first_conflict = nil

local function head_of(case)
  if heads[case] == nil then heads[case] = redis.call('HGET', key('heads'), case) or '' end
  return heads[case]
end

local function line_of(line)
  if lines[line] == nil then lines[line] = redis.call('HGET', key('lines'), line) or '' end
  return lines[line]
end

local function known_cause(cause)
  if causes[cause] == nil then causes[cause] = redis.call('HGET', key('causes'), cause) or '' end
  return causes[cause]
end

local function judge(commit)
  if broken['c' .. commit.case] or broken['l' .. commit.line] then return 'c' end
  local known = known_cause(commit.cause)
  if known ~= '' then
    return string.sub(known, 1, #commit.digest) == commit.digest and 'r' or 'x'
  end
  if commit.case ~= '' and head_of(commit.case) ~= commit.expected then return 'c' end
  if commit.line ~= '' and line_of(commit.line) ~= commit.old_line then return 'c' end
  return 'd'
end

for i = 1, tonumber(take()) do
  local commit = {
    offset = tonumber(take()), cause = take(), digest = take(), result = take(),
    case = take(), expected = take(), head = take(), state = take(), due = take(),
    line = take(), old_line = take(), new_line = take(),
  }
  commit.operations = tonumber(take())
  commit.begin = at
  for _ = 1, commit.operations do at = at + 1 + ARITY[ARGV[at]] end
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
  commits[i] = commit
end

-- From here on there are only writes.
local now = text(math.floor(microseconds() / 1000))
local logged = nil

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
  T = function(a) redis.call('HSET', key('texts'), ARGV[a], ARGV[a + 1]) end,
}

local function write_commit(commit)
  redis.call('HSET', key('causes'), commit.cause, commit.digest .. '|' .. commit.result)
  redis.call('ZADD', key('causes:at'), now, commit.cause)
  if commit.state ~= '' then
    redis.call('HSET', key('cases'), commit.case, commit.state)
    redis.call('HSET', key('heads'), commit.case, commit.head)
  end
  if commit.due == '-' then
    redis.call('ZREM', key('due'), commit.case)
  elseif commit.due ~= '' then
    redis.call('ZADD', key('due'), commit.due, commit.case)
  end
  if commit.new_line ~= '' then redis.call('HSET', key('lines'), commit.line, commit.new_line) end
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
    redis.call('HSET', key(ARGV[a + 1]), ARGV[a + 2], ARGV[a + 3])
  end
end
for i, sequence in ipairs(sequences) do
  local last = sequence.last
  -- The first sequence is the batch's own topic; the source's moves only with the whole batch.
  if first_conflict then last = i == 1 and math.min(last, first_conflict - 1) or sequence.seen end
  if last > sequence.seen then redis.call('HSET', key('in'), sequence.topic, text(last)) end
end
if ARGV[2] ~= '' then redis.call('SET', key('log'), ARGV[2]) end
return {'ok', table.concat(letters), redis.call('XLEN', key('outbox'))}
