-- numbers(room...): epoch and number of each.
local found = {}
for i = 2, #ARGV do
  local now = redis.call('HMGET', key('room', ARGV[i]), 'epoch', 'seq')
  found[i - 1] = {now[1] or '', tonumber(now[2] or 0)}
end
return found
