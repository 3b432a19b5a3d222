-- Ends jobs: done, or to be run again.
-- Guarantees: a job whose lease is no longer the worker's own is left as it is; a payload that was replaced while the job ran
-- is kept and due at once. Repeating it after a lost answer changes nothing.
-- KEYS: idle workers, abort set, lanes.  ARGV, for each job: id, lane index, token, payload as claimed, ms until it runs
-- again (-1: it is done), 1 if the try does not count, result ('': none), ms the result is kept (0: for ever),
-- ms its id stays blocked. Answer: the tokens that were no longer valid.
local now, stale, wake, ended = now_ms(), {}, false, {}
local aborts = redis.call('EXISTS', KEYS[2]) == 1

local function finish(i, index)
    local lane, id, payload, again = KEYS[2 + index], ARGV[i], ARGV[i + 3], tonumber(ARGV[i + 4])
    local current = call('GET', JOB .. id)
    local replaced = current and current ~= payload
    if replaced or (current and again >= 0) then
        redis.call('DEL', RUNNING .. id)
        local delay = replaced and 0 or again
        call('ZADD', lane, now + delay, id)
        wake = wake or delay == 0
        if replaced and again < 0 then
            redis.call('DEL', RETRY .. id)
        elseif ARGV[i + 5] == '1' then
            call('DECR', RETRY .. id)
        end
        return
    end
    if ARGV[i + 8] ~= '0' then
        redis.call('SET', RUNNING .. id, 'done', 'PX', ARGV[i + 8])
        redis.call('DEL', JOB .. id, RETRY .. id)
    else
        redis.call('DEL', RUNNING .. id, JOB .. id, RETRY .. id)
    end
    ended[index] = ended[index] or {}
    table.insert(ended[index], id)
    if aborts then
        call('ZREM', KEYS[2], id)
    end
    if ARGV[i + 6] ~= '' then
        redis.call('SET', RESULT .. id, ARGV[i + 6])
        if ARGV[i + 7] ~= '0' then
            redis.call('PEXPIRE', RESULT .. id, ARGV[i + 7])
        end
    end
end

for i = 1, #ARGV, 9 do
    if call('GET', RUNNING .. ARGV[i]) == ARGV[i + 2] then
        finish(i, tonumber(ARGV[i + 1]))
    else
        stale[#stale + 1] = ARGV[i + 2]
    end
end
for index, ids in pairs(ended) do
    call('ZREM', KEYS[2 + index], unpack(ids))
end
if wake then
    wake_one(KEYS[1])
end
return stale
