-- node_release(node, fence): an orderly end.
local refusal = fenced(ARGV[2], ARGV[3])
if refusal then return refusal end
redis.call('DEL', key('node', ARGV[2]))
redis.call('HDEL', key('fences'), ARGV[2])
if redis.call('SCARD', key('of', ARGV[2])) == 0 then redis.call('SREM', key('nodes'), ARGV[2]) end
return 1
