-- KEYS: the log, then values and leases to drop. ARGV: epoch for a new log, fences kept, channel, what to tell, then the
-- names of the fences. Works when Redis is full: forgetting must.
local at = open(KEYS[1], ARGV[1])
if at.err then return at end
advance(KEYS[1], at, tonumber(ARGV[2]), ARGV, 5)
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
tell(ARGV[3], at, ARGV[4])
return { marks_of(at) }
