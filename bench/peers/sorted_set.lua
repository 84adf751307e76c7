-- The sliding window as it is mostly written: a sorted set of calls by time. ARGV: limit, window in microseconds, a name
-- for this call that no other one has.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local window_us = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now_us - window_us))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now_us), ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.ceil(window_us / 1000))
return 1
