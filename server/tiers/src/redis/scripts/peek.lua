-- KEYS: the log, perhaps a value. ARGV: the number after which what happened is asked for or nothing, members at most.
-- What a transaction reads otherwise: Redis refuses to queue one when it is full.
local page = false
if ARGV[1] ~= '' then
  page = redis.pcall('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '2251799813685247', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
end
local marks = redis.pcall('ZMSCORE', KEYS[1], '!e', '!r', '!f', '!n', '!b')
return { marks, page, KEYS[2] and redis.pcall('GET', KEYS[2]) or false }
