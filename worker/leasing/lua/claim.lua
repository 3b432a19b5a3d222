-- Takes due jobs for a worker's free slots.
-- Guarantees: a job is taken by one worker at a time; it is leased at once (score and in-progress key both end with the
-- lease), so that it is due again if the worker dies before it answers; entries without a payload are dropped, and jobs
-- that somebody else runs are put off to the end of that lease, so that neither is looked at again before its time. The worker
-- stops being idle, which brings what lies in its inbox, and becomes idle again when a slot stays free and nothing is due.
-- KEYS: idle workers, abort set, lanes.  ARGV: slots, lease in ms, worker, number of the first token, turn, whether the worker
-- may be idle now, ms it will be idle (0: not), then the cycle of lane indices in which lanes take their turns; a lane with
-- nothing due gives its turn away.
-- Answer: ms until the next job is due (-1: none), jobs in all lanes, ids dropped, for each job taken: id, lane index, token, try,
-- score, payload, whether it is to be aborted; messages from the inbox, and 1 if the worker is idle now.
local slots, lease, worker = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local serial, turn, idle_ms, cycle = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[7]), #ARGV - 7
local lanes, now = #KEYS - 2, now_ms()
local taken, dropped, due, scores, inbox = {}, {}, {}, {}, {}
local aborts = redis.call('EXISTS', KEYS[2]) == 1

if ARGV[6] == '1' then
    local box = KEYS[1] .. ':inbox:' .. worker
    call('LREM', KEYS[1], 0, worker)
    inbox = call('LRANGE', box, 0, -1)
    redis.call('DEL', box, KEYS[1] .. ':offer:' .. worker)
    for _, message in ipairs(inbox) do
        slots = message == '' and slots or slots - 1
    end
    slots = math.max(slots, 0)
end

for lane = 1, lanes do
    due[lane] = call('ZRANGEBYSCORE', KEYS[lane + 2], '-inf', now, 'WITHSCORES', 'LIMIT', 0, slots)
    due[lane].at = 1
    scores[lane] = {}
end

local function next_lane()
    local preferred = tonumber(ARGV[8 + turn % cycle])
    if due[preferred].at <= #due[preferred] then
        return preferred
    end
    for lane = 1, lanes do
        if due[lane].at <= #due[lane] then
            return lane
        end
    end
end

local function put_off(index, id, score)
    local list = scores[index]
    list[#list + 1] = score
    list[#list + 1] = id
end

-- True when the job is ours now. A key without an end was not left by a worker and is overwritten.
local function acquire(id, index, token)
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
        redis.call('ZREM', KEYS[index + 2], id)
    else
        put_off(index, id, now + math.max(left, 1))
    end
    return false
end

while #taken < slots do
    local index = next_lane()
    if not index then
        break
    end
    local list = due[index]
    local id, score = list[list.at], list[list.at + 1]
    list.at = list.at + 2
    local token = worker .. ':' .. serial
    if acquire(id, index, token) then
        local payload = call('GET', JOB .. id)
        if payload then
            local try = 1
            if not redis.call('SET', RETRY .. id, 1, 'EX', 88400, 'NX') then
                try = call('INCR', RETRY .. id)
                redis.call('EXPIRE', RETRY .. id, 88400)
            end
            put_off(index, id, now + lease)
            taken[#taken + 1] = {id, index, token, try, score, payload, aborts and call('ZREM', KEYS[2], id) or 0}
            serial, turn = serial + 1, turn + 1
        else
            redis.call('DEL', RUNNING .. id, RETRY .. id)
            redis.call('ZREM', KEYS[index + 2], id)
            dropped[#dropped + 1] = id
        end
    end
end

local wait, queued = -1, 0
for lane = 1, lanes do
    if #scores[lane] > 0 then
        redis.call('ZADD', KEYS[lane + 2], unpack(scores[lane]))
    end
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

local idle = idle_ms > 0 and wait ~= 0 and #taken < slots
if idle then
    redis.call('SET', KEYS[1] .. ':offer:' .. worker, lease .. ' ' .. worker .. ':' .. serial, 'PX', idle_ms)
    redis.call('RPUSH', KEYS[1], worker)
end
return {math.min(wait, 3600000), queued, dropped, taken, inbox, idle and 1 or 0}
