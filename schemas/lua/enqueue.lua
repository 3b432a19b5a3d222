-- Puts jobs into the queue.
-- Guarantees: the payload is always the newest; a job that is in a lane already stays there and can only become due
-- earlier; neither a kept result nor used-up tries of an earlier job with this id stand in its way; a job that is due and not
-- running is claimed for an idle worker, if there is one, and lies in its inbox under a lease.
-- KEYS: idle workers, lanes.  ARGV: milliseconds a payload lives past its due time, then for each job:
-- id, index of its lane, due time in ms (0: now), payload.
local now, keep, left = now_ms(), tonumber(ARGV[1]), false

-- True when an idle worker has it now.
local function hand_over(id, index, due, payload)
    local worker, lease, token = take_idle(KEYS[1])
    if not worker then
        return false
    end
    if not redis.call('SET', RUNNING .. id, token, 'NX', 'PX', lease) then
        post(KEYS[1], worker, lease, '')
        return false
    end
    redis.call('SET', RETRY .. id, 1, 'EX', 88400)
    call('ZADD', KEYS[1 + index], now + lease, id)
    post(KEYS[1], worker, lease, string.format('%s %d %d %d ', token, index, due, #id) .. id .. payload)
    return true
end

for i = 2, #ARGV, 4 do
    local id, index, due, payload = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]
    due = due > 0 and due or now
    -- Only a job with a payload can be in a lane.
    if call('SET', JOB .. id, payload, 'PX', math.max(due - now, 0) + keep, 'GET') then
        for other = 1, #KEYS - 1 do
            if call('ZSCORE', KEYS[1 + other], id) then
                index = other
            end
        end
    end
    redis.call('DEL', RESULT .. id, RETRY .. id)
    if due > now then
        call('ZADD', KEYS[1 + index], 'LT', due, id)
    elseif left or not hand_over(id, index, due, payload) then
        call('ZADD', KEYS[1 + index], 'LT', due, id)
        left = true
    end
end
if left then
    wake_one(KEYS[1])
end
