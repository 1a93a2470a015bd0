-- session_open(node, fence, room, fresh epoch, session, identity, kind, participant, granted, mode, lease_ms)
-- mode: 'new'; 'resume' an earlier session of the same identity; 'restore' after Redis forgot it.
-- Returns {epoch, seq, the node that had it or ''}; {} when there is nothing to resume.
local node, fence, room, session, identity, kind = ARGV[2], ARGV[3], ARGV[4], ARGV[6], ARGV[7], ARGV[8]
local offered, granted, mode, lease_ms = cjson.decode(ARGV[9]), ARGV[10], ARGV[11], tonumber(ARGV[12])
local refusal = fenced(node, fence)
if refusal then return refusal end

local raw = redis.call('HGET', key('sessions', room), session)
local former = raw and cjson.decode(raw)
if mode == 'resume' then
  local owner = former and former.identity or redis.call('GET', key('gone', room, session))
  if owner ~= identity then return {} end
elseif former and former.node ~= node then
  return {} -- its client continued elsewhere while this node was cut off
end
local epoch = begin(room, ARGV[5])
local member = room .. ' ' .. session
if redis.call('HLEN', key('sessions', room)) == 0 then
  for _, name in ipairs(ROOM_KINDS) do redis.call('PERSIST', key(name, room)) end
end
if former and former.node ~= node then
  redis.call('SREM', key('of', former.node), member)
  drop_tracks(room, session, true) -- their media stayed behind
end
redis.call('HSET', key('sessions', room), session, cjson.encode({identity = identity, node = node, kind = kind}))
redis.call('ZADD', key('leases'), now_ms + lease_ms, member)
redis.call('SADD', key('of', node), member)
redis.call('DEL', key('gone', room, session))

if kind ~= 'whep' then
  if not former or former.kind == 'whep' then redis.call('HINCRBY', key('tabs', room), identity, 1) end
  local present = redis.call('HGET', key('people', room), identity)
  if not present then
    if mode ~= 'restore' then offered.joined_ms = now_ms end
    local seat = redis.call('GET', key('seat', room, identity))
    if seat then
      seat = cjson.decode(seat)
      offered.hand_ms, offered.floor = seat.hand_ms, seat.floor
      if seat.granted == granted then offered.role = seat.role end
      if seat.recording and seat.recording == redis.call('HGET', key('room', room), 'recording') then
        offered.recording_consent = seat.recording_consent -- their answer to this very recording
      end
    end
    redis.call('DEL', key('seat', room, identity))
    redis.call('HSET', key('people', room), identity, cjson.encode(offered))
    redis.call('HSET', key('granted', room), identity, granted)
    publish(room, 'participant.joined', cjson.encode({participant = offered}), '')
  elseif mode ~= 'restore' and kind == 'socket' then -- an encoder changes nobody who is here already
    local person = cjson.decode(present)
    local new_role = redis.call('HGET', key('granted', room), identity) ~= granted
    if new_role or person.name ~= offered.name or person.city ~= offered.city then
      person.name, person.city = offered.name, offered.city
      if new_role then person.role = offered.role end
      redis.call('HSET', key('people', room), identity, cjson.encode(person))
      redis.call('HSET', key('granted', room), identity, granted)
      publish(room, 'participant.updated', cjson.encode({participant = person}), '')
    end
  end
end
return {epoch, tonumber(redis.call('HGET', key('room', room), 'seq')), former and former.node or ''}
