-- sweep(node, fence, lease_ms, limit, seat_s, resume_s): end what nobody renews.
-- Returns how many sessions ended, or -1 when another node sweeps.
local refusal = fenced(ARGV[2], ARGV[3])
if refusal then return refusal end
local node, lease_ms, limit, seat_s, resume_s = ARGV[2], ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
if not redis.call('SET', key('sweeper'), node, 'NX', 'PX', lease_ms) then
  if redis.call('GET', key('sweeper')) ~= node then return -1 end
  redis.call('PEXPIRE', key('sweeper'), lease_ms)
end
local ended = 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', now_ms, 'LIMIT', 0, limit)) do
  local room, session = string.match(member, '^(%S+) (%S+)$')
  if close_session(room, session, 'lost', seat_s, resume_s) then ended = ended + 1 end
end
for _, dead in ipairs(redis.call('SMEMBERS', key('nodes'))) do
  if redis.call('EXISTS', key('node', dead)) == 0 then
    redis.call('HDEL', key('fences'), dead) -- whatever it still wants to write is refused
    local before = redis.call('SCARD', key('of', dead))
    local left = close_sessions_of(dead, limit, seat_s, resume_s)
    ended = ended + before - left
    if left == 0 then redis.call('SREM', key('nodes'), dead) end
  end
end
return ended
