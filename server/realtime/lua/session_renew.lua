-- session_renew(node, fence, lease_ms, "<room> <session>"...): returns those this node no longer has.
local refusal = fenced(ARGV[2], ARGV[3])
if refusal then return refusal end
local ends, lost = now_ms + tonumber(ARGV[4]), {}
for i = 5, #ARGV do
  if redis.call('SISMEMBER', key('of', ARGV[2]), ARGV[i]) == 1 and redis.call('ZSCORE', key('leases'), ARGV[i]) then
    redis.call('ZADD', key('leases'), ends, ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
