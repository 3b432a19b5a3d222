-- Helpers that precede every script.
-- Guarantee: a key that holds the wrong type is rubbish, never a reason to stop: it is deleted and the command runs again.

local JOB, RESULT, RETRY, RUNNING = 'arq:job:', 'arq:result:', 'arq:retry:', 'arq:in-progress:'

local function call(command, key, ...)
    local answer = redis.pcall(command, key, ...)
    if type(answer) == 'table' and answer.err then
        if not (string.find(answer.err, 'WRONGTYPE', 1, true) or string.find(answer.err, 'not an integer', 1, true)) then
            error(answer.err, 0)
        end
        redis.call('DEL', key)
        answer = redis.call(command, key, ...)
    end
    return answer
end

-- Milliseconds since 1970 by Redis's clock, the only one that leases and due times are compared with.
local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- One token is enough: a worker claims before it waits, and a claim that leaves due work behind puts the token back.
local function wake_one(wake)
    if call('LLEN', wake) == 0 then
        redis.call('LPUSH', wake, 1)
    end
end
