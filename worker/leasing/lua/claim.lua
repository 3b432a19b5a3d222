-- Takes due jobs for a worker's free slots.
-- Guarantees: a job is taken by one worker at a time; it is leased at once (score and in-progress key both end with the
-- lease), so that it is due again if the worker dies before it answers; entries without a payload are dropped, and jobs
-- that somebody else runs are put off to the end of that lease, so that neither is looked at again before its time.
-- KEYS: wake list, abort set, lanes.  ARGV: slots, lease in ms, worker, number of the first token, turn, then the cycle of
-- lane indices in which lanes take their turns; a lane with nothing due gives its turn away.
-- Answer: ms until the next job is due (-1: none), jobs in all lanes, ids dropped,
-- and for each job taken: id, lane index, token, try, score, payload, whether it is to be aborted.
local slots, lease, worker = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local serial, turn, cycle = tonumber(ARGV[4]), tonumber(ARGV[5]), #ARGV - 5
local lanes, now = #KEYS - 2, now_ms()
local taken, dropped, due = {}, {}, {}
for lane = 1, lanes do
    due[lane] = call('ZRANGEBYSCORE', KEYS[lane + 2], '-inf', now, 'WITHSCORES', 'LIMIT', 0, slots)
    due[lane].at = 1
end

local function next_lane()
    local preferred = tonumber(ARGV[6 + turn % cycle])
    if due[preferred].at <= #due[preferred] then
        return preferred
    end
    for lane = 1, lanes do
        if due[lane].at <= #due[lane] then
            return lane
        end
    end
end

-- True when the job is ours now. A key without an end was not left by a worker and is overwritten.
local function acquire(id, lane, token)
    if redis.call('SET', RUNNING .. id, token, 'NX', 'PX', lease) then
        return true
    end
    local left = redis.call('PTTL', RUNNING .. id)
    if left < 0 then
        redis.call('SET', RUNNING .. id, token, 'PX', lease)
        return true
    end
    if redis.call('TYPE', RUNNING .. id).ok == 'string' and redis.call('GET', RUNNING .. id) == 'done' then
        redis.call('DEL', JOB .. id)
        redis.call('ZREM', lane, id)
    else
        redis.call('ZADD', lane, now + math.max(left, 1), id)
    end
    return false
end

while #taken < slots do
    local index = next_lane()
    if not index then
        break
    end
    local list, lane = due[index], KEYS[index + 2]
    local id, score = list[list.at], list[list.at + 1]
    list.at = list.at + 2
    local token = worker .. ':' .. serial
    if acquire(id, lane, token) then
        local payload = call('GET', JOB .. id)
        if payload then
            local try = call('INCR', RETRY .. id)
            redis.call('EXPIRE', RETRY .. id, 88400)
            redis.call('ZADD', lane, now + lease, id)
            taken[#taken + 1] = {id, index, token, try, score, payload, call('ZREM', KEYS[2], id)}
            serial, turn = serial + 1, turn + 1
        else
            redis.call('DEL', RUNNING .. id, RETRY .. id)
            redis.call('ZREM', lane, id)
            dropped[#dropped + 1] = id
        end
    end
end

local wait, queued = -1, 0
for lane = 1, lanes do
    local first = redis.call('ZRANGE', KEYS[lane + 2], 0, 0, 'WITHSCORES')
    if first[2] then
        local left = math.max(tonumber(first[2]) - now, 0)
        wait = wait < 0 and left or math.min(wait, left)
        queued = queued + redis.call('ZCARD', KEYS[lane + 2])
    end
end
if wait == 0 then
    wake_one(KEYS[1])
end
return {math.min(wait, 3600000), queued, dropped, taken}
