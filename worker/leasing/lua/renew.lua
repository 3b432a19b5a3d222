-- Extends the leases of all jobs that a worker runs.
-- Guarantee: only a lease that is still the worker's own is extended; with ARGV[2] = 1 a lease that is gone without a new
-- holder (Redis was emptied) is taken again.
-- KEYS: lanes.  ARGV: lease in ms, take again what is gone, then for each job: id, lane index, token.
-- Answer: the tokens of jobs that somebody else holds, and those of jobs that nobody holds.
local lease, retake, now = tonumber(ARGV[1]), ARGV[2] == '1', now_ms()
local lost, gone = {}, {}
for i = 3, #ARGV, 3 do
    local id, lane, token = ARGV[i], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2]
    local holder = call('GET', RUNNING .. id)
    if holder == token or (retake and not holder) then
        redis.call('SET', RUNNING .. id, token, 'PX', lease)
        call('ZADD', lane, now + lease, id)
    elseif holder then
        lost[#lost + 1] = token
    else
        gone[#gone + 1] = token
    end
end
return {lost, gone}
