-- state(room, fresh epoch): everything of a room at once.
local room = ARGV[2]
local epoch = begin(room, ARGV[3])
local fields = redis.call('HMGET', key('room', room), 'seq', 'stage', 'recording')
return {
  epoch, tonumber(fields[1]), fields[2] or '', fields[3] or '',
  redis.call('HVALS', key('people', room)),
  redis.call('HVALS', key('tracks', room)),
  redis.call('HGETALL', key('records', room)),
}
