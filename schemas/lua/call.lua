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

-- Idle workers stand in a list, the longest idle first. Each has a key that says how it takes a job (lease in ms, token) and
-- ends soon after the worker would have looked again by itself, and an inbox on which it blocks.
-- Takes the first one that lives out of the list; answers its name, lease and token, or nothing.
local function take_idle(idle)
    local worker = call('LPOP', idle)
    while worker do
        local offer = call('GETDEL', idle .. ':offer:' .. worker)
        local lease, token = string.match(offer or '', '^(%d+) (.+)$')
        if lease then
            return worker, tonumber(lease), token
        end
        worker = call('LPOP', idle)
    end
end

-- A worker that dies before it reads this leaves nothing behind after a lease.
local function post(idle, worker, lease, message)
    local inbox = idle .. ':inbox:' .. worker
    call('RPUSH', inbox, message)
    redis.call('PEXPIRE', inbox, lease)
end

-- Makes one idle worker look. Nobody is idle while work is due that it has seen, so without one there is nothing to do.
local function wake_one(idle)
    local worker, lease = take_idle(idle)
    if worker then
        post(idle, worker, lease, '')
    end
end
