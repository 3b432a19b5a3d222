-- How a call ended.
-- Guarantee: the breaker opens at the given number of failures in a row, again at each later one, and closes at the first success.
-- KEYS: failures in a row, open, probe, spent today.  ARGV: 1 if it failed, failures that open the breaker, ms it stays open,
-- price to give back.  Answer: failures in a row before and after.
local before = tonumber(call('GET', KEYS[1]) or 0) or 0
local after = 0
if ARGV[1] == '1' then
    after = call('INCR', KEYS[1])
    redis.call('EXPIRE', KEYS[1], 3600)
    if after >= tonumber(ARGV[2]) then
        redis.call('SET', KEYS[2], 1, 'PX', ARGV[3])
    end
    redis.call('DEL', KEYS[3])
else
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
end
if tonumber(ARGV[4]) > 0 then
    call('DECRBY', KEYS[4], ARGV[4])
end
return {before, after}
