-- Puts jobs into the queue.
-- Guarantees: the payload is always the newest; a job that is in a lane already stays there and can only become due
-- earlier; neither a kept result nor used-up tries of an earlier job with this id stand in its way; one idle worker wakes.
-- KEYS: wake list, lanes.  ARGV: milliseconds a payload lives past its due time, then for each job:
-- id, index of its lane, due time in ms (0: now), payload.
local now, keep = now_ms(), tonumber(ARGV[1])
for i = 2, #ARGV, 4 do
    local id, lane, due, payload = ARGV[i], KEYS[1 + ARGV[i + 1]], tonumber(ARGV[i + 2]), ARGV[i + 3]
    for other = 2, #KEYS do
        if call('ZSCORE', KEYS[other], id) then
            lane = KEYS[other]
        end
    end
    due = due > 0 and due or now
    redis.call('SET', JOB .. id, payload, 'PX', math.max(due - now, 0) + keep)
    redis.call('DEL', RESULT .. id, RETRY .. id)
    call('ZADD', lane, 'LT', due, id)
end
wake_one(KEYS[1])
