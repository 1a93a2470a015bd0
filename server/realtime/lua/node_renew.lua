-- node_renew(node, fence, lease_ms, record): returns the records of all living nodes.
local refusal = fenced(ARGV[2], ARGV[3])
if refusal then return refusal end
redis.call('SET', key('node', ARGV[2]), ARGV[5], 'PX', ARGV[4])
local alive = {}
for _, node in ipairs(redis.call('SMEMBERS', key('nodes'))) do
  local record = redis.call('GET', key('node', node))
  if record then alive[#alive + 1] = record end
end
return alive
