-- node_lease(node, lease_ms, record): a new lease with a number above all earlier ones.
local fence = redis.call('INCR', key('fence'))
-- An emptied Redis starts to count again; time keeps the numbers rising.
if fence < clock[1] * 1 then
  fence = clock[1] * 1
  redis.call('SET', key('fence'), string.format('%.0f', fence))
end
redis.call('HSET', key('fences'), ARGV[2], string.format('%.0f', fence))
redis.call('SADD', key('nodes'), ARGV[2])
redis.call('SET', key('node', ARGV[2]), ARGV[4], 'PX', ARGV[3])
return fence
