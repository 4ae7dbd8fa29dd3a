-- What every script that writes begins with: where the log is, in this server's own history.
-- One sorted set is a log: its marks (!e epoch, !r number, !f floor, !n run, !b where its epochs began) and its fences, each
-- with its number as score.
-- All of it in one key, because what loses one part of it (eviction, FLUSHALL, a new node) must lose the rest with it.

-- Identifies this server's history: Redis takes a new replication id when it starts and when it is promoted, and may then
-- lack what the last one had acknowledged. 48 bits of it, and the 52nd: exact as a score, and beyond the numbers of changes.
local function run_of_server()
  local id = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  return 2251799813685248 + tonumber(string.sub(id, 1, 12), 16)
end

local function exact(number)
  return string.format('%.0f', number)
end

-- The marks as numbers. A log without them begins with `fresh` as its epoch. One that another run wrote goes on with its
-- numbers and fences in a new epoch of the same lineage (all but the last 20 bits), so that everybody sees that something may
-- be missing; !b keeps the lowest number at which that happened.
local function open(log, fresh)
  local run, turns = run_of_server(), 1048576
  local marks = redis.pcall('ZMSCORE', log, '!e', '!r', '!f', '!n', '!b')
  if marks.err then
    if not string.find(marks.err, 'WRONGTYPE', 1, true) then return marks end
    redis.call('DEL', log)
    marks = {}
  end
  if not (marks[1] and marks[2] and marks[3] and marks[4] and marks[5]) then
    redis.call('DEL', log)
    redis.call('ZADD', log, fresh, '!e', 0, '!r', 0, '!f', exact(run), '!n', 0, '!b')
    return { epoch = tonumber(fresh), number = 0, floor = 0, run = run, began = 0 }
  end
  local at = {
    epoch = tonumber(marks[1]), number = tonumber(marks[2]), floor = tonumber(marks[3]), run = run,
    began = tonumber(marks[5]),
  }
  if tonumber(marks[4]) ~= run then
    local old, turn = at.epoch % turns, tonumber(fresh) % turns
    if turn == old then turn = (turn + 1) % turns end
    at.epoch = at.epoch - old + turn
    -- Zero says that there was no other epoch: a turn at number zero has nothing before it that could be numbered.
    if at.began == 0 or at.number < at.began then at.began = at.number end
    redis.call('ZADD', log, exact(at.epoch), '!e', exact(run), '!n', exact(at.began), '!b')
  end
  return at
end

-- What happened since a number; false when that was not asked or is more than goes into one answer.
local function since(log, number)
  if number == '' then return false end
  local fences = redis.call('ZRANGEBYSCORE', log, '(' .. number, '2251799813685247', 'WITHSCORES', 'LIMIT', 0, 260)
  if #fences >= 520 then return false end
  return fences
end

local function marks_of(at)
  return { exact(at.epoch), exact(at.number), exact(at.floor), exact(at.run), exact(at.began) }
end

-- The next number, with the names it is the newest fence of. Above `most` fences the oldest are forgotten and the floor
-- says so; those of whole namespaces (*) stay until there are twice as many.
local function advance(log, at, most, names, first)
  at.number = tonumber(redis.call('ZINCRBY', log, 1, '!r'))
  local number = exact(at.number)
  for i = first, #names do redis.call('ZADD', log, number, names[i]) end
  local over = redis.call('ZCARD', log) - 5 - most
  if over <= 0 then return end
  local lowest = redis.call('ZRANGE', log, 0, math.min(over + math.floor(most / 8), 1024) + 4, 'WITHSCORES')
  local gone = {}
  for i = 1, #lowest, 2 do
    local kind = string.byte(lowest[i])
    local score = tonumber(lowest[i + 1])
    if score < at.number and kind ~= 33 and (kind ~= 42 or over > most) then
      gone[#gone + 1] = lowest[i]
      if score > at.floor then at.floor = score end
    end
  end
  if #gone > 0 then
    redis.call('ZREM', log, unpack(gone))
    redis.call('ZADD', log, exact(at.floor), '!f')
  end
end

local function tell(channel, at, text)
  if text ~= '' then redis.call('PUBLISH', channel, exact(at.epoch) .. ' ' .. exact(at.number) .. ' ' .. text) end
end
