-- May one more call be made to a model?
-- Guarantees: one answer for the whole fleet, and only a call that may be made changes anything, except that calls which wait
-- for the rate are given places one after another, so that they do not all come back for the same one.
-- KEYS: failures in a row, open (while it exists the breaker is), probe, rate, places given out, spent today.
-- ARGV: failures that open the breaker, ms a probe may take, calls a minute (0: no limit), calls at once,
-- price, cap (0: none).  Answer: what it must wait for ('': nothing), ms, failures in a row, spent.
local now, failures = now_ms(), tonumber(call('GET', KEYS[1]) or 0) or 0
local price, cap = tonumber(ARGV[5]), tonumber(ARGV[6])
local spent = cap > 0 and tonumber(call('GET', KEYS[6]) or 0) or 0
if cap > 0 and spent + price > cap then
    return {'spending', 0, failures, spent}
end

local broken = failures >= tonumber(ARGV[1])
if broken then
    local left = math.max(redis.call('PTTL', KEYS[2]), redis.call('PTTL', KEYS[3]))
    if left > 0 then
        return {'breaker', left, failures, spent}
    end
end

if tonumber(ARGV[3]) > 0 then
    -- The instant at which the bucket would be full again stands for its level.
    local interval = 60000 / ARGV[3]
    local room = (ARGV[4] - 1) * interval
    local full = math.max(tonumber(call('GET', KEYS[4]) or 0) or 0, now)
    if full - now > room then
        local place = math.max(tonumber(call('GET', KEYS[5]) or 0) or 0, full - room)
        redis.call('SET', KEYS[5], place + interval, 'PX', math.ceil(place + interval - now))
        return {'rate', math.ceil(place - now), failures, spent}
    end
    redis.call('SET', KEYS[4], full + interval, 'PX', math.ceil(full + interval - now))
end

if broken then
    redis.call('SET', KEYS[3], 1, 'PX', ARGV[2])
end
if cap > 0 then
    spent = call('INCRBY', KEYS[6], price)
    redis.call('EXPIRE', KEYS[6], 172800)
end
return {'', 0, failures, spent}
