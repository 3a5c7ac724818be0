-- One bucket that replicas share: the time at which it would be full again, in microseconds of this
-- server's clock (the generic cell rate algorithm, ITU-T I.371 annex A), and the nanoseconds in which a
-- token came by which that was reckoned: where a limit changes, tokens that were taken stay taken, also
-- while replicas have different ones. A bucket that is full is no key.
-- KEYS: the bucket. ARGV: nanoseconds in which one token comes, tokens it holds; tokens spent on credit,
-- given back, wanted. Answers: tokens granted, whole tokens left (below zero after credit).
-- Rounded up wherever tokens are taken: never more than the limit.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = ARGV[1] / 1000, tonumber(ARGV[2])
local debt, back, want = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local full, before = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+):(%d+)$')
full = math.max(tonumber(full or 0), now)
if before and before ~= ARGV[1] then
  full = now + math.ceil((full - now) * ARGV[1] / before)
end
full = math.max(full - math.floor(back * interval), now) + math.ceil(debt * interval)
-- Of differences, which are exact, and not of moments, of which a quarter of a microsecond is lost.
local left = math.floor(burst - (full - now) / interval)
local granted = math.max(0, math.min(want, left))
full = full + math.ceil(granted * interval)
if full > now then
  redis.call('SET', KEYS[1], string.format('%.0f:%s', full, ARGV[1]), 'PX', math.ceil((full - now) / 1000))
else
  redis.call('DEL', KEYS[1])
end
return { granted, left - granted }
