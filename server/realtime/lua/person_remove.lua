-- person_remove(node, fence, room, identity): end all sessions of a person, everywhere.
local refusal = fenced(ARGV[2], ARGV[3])
if refusal then return refusal end
local room, identity, count = ARGV[4], ARGV[5], 0
local shown = redis.call('HEXISTS', key('people', room), identity) == 1
local sessions = redis.call('HGETALL', key('sessions', room))
for i = 1, #sessions, 2 do
  if cjson.decode(sessions[i + 1]).identity == identity then
    close_session(room, sessions[i], 'removed', 1, 1)
    count = count + 1
  end
end
redis.call('DEL', key('seat', room, identity))
if count > 0 and not shown then -- they only watched, and their nodes must hear it too
  publish(room, 'participant.left', cjson.encode({identity = identity, reason = 'removed'}), '')
end
return count
