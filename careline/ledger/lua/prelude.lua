-- Put before every script of the ledger: names the shard's keys and holds the fence.
--
-- Promise: a script that asks `stands` first does nothing on a server that is not the one the
-- epoch was set on, and nothing after FLUSHALL, a failover or another recovery. The run id is
-- asked of the server that runs this very call; nothing is remembered from an earlier one.
local tag = KEYS[1]

local function key(name)
  return tag .. ':' .. name
end

local function own_run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- Whether the epoch is the wanted one ('' = any that is no recovery); then the value found.
local function stands(wanted)
  local found = redis.call('GET', key('epoch'))
  if not found then return false, '' end
  if string.match(found, '@(%x+)$') ~= own_run_id() then return false, found end
  if wanted == '' then return string.match(found, '^%d+@') ~= nil, found end
  return found == wanted, found
end

local function microseconds()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function text(number)
  return string.format('%.0f', number)
end

-- The arguments of a call with thousands of them: their lengths, then all of them in one string.
local function unpacked(lengths, values)
  local found, at = {}, 1
  for size in string.gmatch(lengths, '%d+') do
    local last = at + tonumber(size)
    found[#found + 1] = string.sub(values, at, last - 1)
    at = last
  end
  return found
end

-- The fields of a hash by name; one call for many, for a call costs more than a field.
local CHUNK = 2000
local function fields_of(name, wanted, found)
  found = found or {}
  for from = 1, #wanted, CHUNK do
    local last = math.min(from + CHUNK - 1, #wanted)
    local values = redis.call('HMGET', key(name), unpack(wanted, from, last))
    for i = from, last do found[wanted[i]] = values[i - from + 1] end
  end
  return found
end

-- An effect's record: what the ledger knows of its attempts, a line feed, and the intent's JSON.
local FIELDS = {
  'attempts', 'attempted_at', 'unknown', 'outbox', 'not_after', 'asked_at', 'cancelled', 'intent',
}
local RECORD = '^(%d+)|(%d*)|([01])|([^|]*)|(%d*)|(%d*)|([^\n]*)\n(.*)$'

local function effect_record(raw)
  local record = {}
  for i, value in ipairs({string.match(raw, RECORD)}) do record[FIELDS[i]] = value end
  record.attempts = tonumber(record.attempts)
  return record
end

local function effect_raw(record)
  return table.concat({
    text(record.attempts), record.attempted_at, record.unknown, record.outbox,
    record.not_after, record.asked_at, record.cancelled,
  }, '|') .. '\n' .. record.intent
end

