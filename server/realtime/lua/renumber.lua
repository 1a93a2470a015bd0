-- renumber(room, epoch, highest, fresh epoch): a failover lost events that were already
-- given out; numbers must not be used twice, so a new epoch begins. Returns whether it did.
local now = redis.call('HMGET', key('room', ARGV[2]), 'epoch', 'seq')
if now[1] ~= ARGV[3] or tonumber(now[2]) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', key('room', ARGV[2]), 'epoch', ARGV[5], 'seq', 0)
redis.call('DEL', key('journal', ARGV[2]))
return 1
