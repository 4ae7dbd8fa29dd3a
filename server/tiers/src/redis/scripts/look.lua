-- KEYS: the log, the value, its lease. ARGV: epoch for a new log, where the caller is in the log or nothing, the lease's
-- token or nothing, its milliseconds, the stamp of the value that the caller has seen (nothing: there was none).
-- Answers marks, delta, the value (1: the one that the caller has seen, or none as then; false: none any more), and the
-- lease: -1 not asked or not needed, 0 the caller has it, else milliseconds another has it.
local at = open(KEYS[1], ARGV[1])
if at.err then return at end
local fences = since(KEYS[1], ARGV[2])
if ARGV[3] == '' or not KEYS[2] then
  return { marks_of(at), fences, KEYS[2] and redis.pcall('GET', KEYS[2]) or false, -1 }
end
local stamp = redis.pcall('GETRANGE', KEYS[2], 0, 64)
local value = 1
if stamp ~= ARGV[5] then
  -- Another stored one since the caller looked: then nobody needs to compute. Or it was dropped: then somebody does.
  if stamp ~= '' then return { marks_of(at), fences, redis.pcall('GET', KEYS[2]), -1 } end
  value = false
end
local holder = redis.pcall('GET', KEYS[3])
local left = holder and redis.call('PTTL', KEYS[3]) or -2
if left > 0 and holder ~= ARGV[3] then return { marks_of(at), fences, value, left } end
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
return { marks_of(at), fences, value, 0 }
