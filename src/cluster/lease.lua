-- One bucket that replicas share: the time at which it would be full again, in microseconds of this
-- server's clock (the generic cell rate algorithm, ITU-T I.371 annex A). A bucket that is full is no key.
-- KEYS: the bucket. ARGV: nanoseconds in which one token comes, tokens it holds; tokens spent on credit,
-- given back, wanted. Answers: tokens granted, whole tokens left (below zero after credit).
-- Rounded up wherever tokens are taken: never more than the limit.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = ARGV[1] / 1000, tonumber(ARGV[2])
local debt, back, want = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
full = math.max(full - math.floor(back * interval), now) + math.ceil(debt * interval)
local empty = now + burst * interval
local granted = math.max(0, math.min(want, math.floor((empty - full) / interval)))
full = full + math.ceil(granted * interval)
if full > now then
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
else
  redis.call('DEL', KEYS[1])
end
return { granted, math.floor((empty - full) / interval) }
