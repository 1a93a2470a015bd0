-- journal(room, epoch, after): the events after that number, or nil when they are not all here.
local room, epoch, after = ARGV[2], ARGV[3], tonumber(ARGV[4])
local now = redis.call('HMGET', key('room', room), 'epoch', 'seq')
if now[1] ~= epoch then return false end
local seq = tonumber(now[2])
if after > seq or after < 0 then return false end
if after == seq then return {} end
local entries = redis.call('XRANGE', key('journal', room), string.format('%.0f-0', after + 1), '+')
if #entries ~= seq - after then return false end
local events = {}
for i, entry in ipairs(entries) do events[i] = entry[2][2] end
return events
