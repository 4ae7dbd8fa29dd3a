-- KEYS: the log, the value, its lease. ARGV: epoch for a new log, fences kept, channel, what to tell, the fence's name,
-- where the caller is in the log or nothing, milliseconds to keep the value or 0 not to, its stamp in the selector log,
-- the record; when it is written again, epoch and number in the key's log where it was written first.
-- Done, the newest change of the key is this one; not done, because of another one since, that is the last of the answer.
local at = open(KEYS[1], ARGV[1])
if at.err then return at end
if ARGV[10] then
  local began = tonumber(ARGV[11])
  local fence = redis.call('ZSCORE', KEYS[1], ARGV[5])
  if tonumber(ARGV[10]) ~= at.epoch or began < at.floor or began > at.number or (fence and tonumber(fence) > began) then
    return { marks_of(at), false, fence and exact(tonumber(fence)) or '0' }
  end
end
advance(KEYS[1], at, tonumber(ARGV[2]), { ARGV[5] }, 1)
if ARGV[7] == '0' then
  redis.call('UNLINK', KEYS[2])
else
  -- This change is where its computation began: only here is its number known.
  local stamp = '1' .. string.format('%014x%014x', at.epoch, at.number) .. ARGV[8]
  stamp = stamp .. string.sub(redis.sha1hex(stamp), 1, 8)
  redis.call('SET', KEYS[2], stamp .. ARGV[9], 'PX', ARGV[7])
end
redis.call('UNLINK', KEYS[3])
tell(ARGV[3], at, ARGV[4])
return { marks_of(at), since(KEYS[1], ARGV[6]), '' }
