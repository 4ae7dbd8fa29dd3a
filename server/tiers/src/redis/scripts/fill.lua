-- KEYS: the log, the value, its lease. ARGV: epoch for a new log, channel, what to tell, the name of the key's fence,
-- epoch and number where the computation began, milliseconds to keep the value or 0 not to, the lease's token or nothing,
-- stamp and record, how what lies there begins (nothing: nothing lies there; absent: whatever does).
local at = open(KEYS[1], ARGV[1])
if at.err then return at end
local began = tonumber(ARGV[6])
local fence = redis.call('ZSCORE', KEYS[1], ARGV[4])
local in_time = tonumber(ARGV[5]) == at.epoch and began >= at.floor and began <= at.number
  and not (fence and tonumber(fence) > began)
if ARGV[10] then
  -- What the caller has seen is still there: then no fence was raised since it was stored, each takes what lies there with it.
  local there = redis.pcall('GETRANGE', KEYS[2], 0, 255)
  in_time = there == ARGV[10] and (in_time or there ~= '' and tonumber(ARGV[5]) == at.epoch)
end
if in_time then
  if ARGV[7] == '0' then redis.call('UNLINK', KEYS[2]) else redis.call('SET', KEYS[2], ARGV[9], 'PX', ARGV[7]) end
end
if ARGV[8] ~= '' and redis.pcall('GET', KEYS[3]) == ARGV[8] then redis.call('UNLINK', KEYS[3]) end
if in_time then tell(ARGV[2], at, ARGV[3]) end
return { marks_of(at), in_time and 1 or 0 }
