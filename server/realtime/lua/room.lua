-- Shared in front of every script. ARGV[1] is the prefix of all keys; time is Redis's own.
--
-- <p>room:<room>      hash: epoch, seq, stage, recording  <p>people:<room>   hash: identity -> Participant
-- <p>granted:<room>   hash: identity -> token's role   <p>tabs:<room>     hash: identity -> sessions in the roster
-- <p>sessions:<room>  hash: session -> {identity, node, kind}
-- <p>tracks:<room>    hash: track -> Track             <p>records:<room>  hash: track -> {session, node, worker, info}
-- <p>journal:<room>   stream of envelopes, id <seq>-0  <p>seat:<room>:<identity>, <p>gone:<room>:<session>  expire
-- <p>leases           zset: "<room> <session>" -> end  <p>of:<node>       set: "<room> <session>"
-- <p>nodes            set     <p>fences  hash     <p>node:<node>  NodeRecord, expires
local prefix = ARGV[1]
local JOURNAL, IDLE_S = 1000, 86400

local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function key(kind, ...)
  return prefix .. table.concat({kind, ...}, ':')
end

local ROOM_KINDS = {'room', 'people', 'granted', 'tabs', 'sessions', 'tracks', 'records', 'journal'}

local function fenced(node, fence)
  if redis.call('HGET', key('fences'), node) ~= fence then
    return redis.error_reply('FENCED ' .. node)
  end
end

-- Give the room an epoch if it has none: nothing of it was here, so nothing old may be read.
local function begin(room, fresh_epoch)
  local epoch = redis.call('HGET', key('room', room), 'epoch')
  if epoch then return epoch end
  redis.call('DEL', key('journal', room))
  redis.call('HSET', key('room', room), 'epoch', fresh_epoch, 'seq', 0)
  redis.call('EXPIRE', key('room', room), IDLE_S)
  return fresh_epoch
end

-- Number, keep and send one event. data and private are JSON; private may be ''.
local function publish(room, name, data, private)
  local seq = redis.call('HINCRBY', key('room', room), 'seq', 1)
  local epoch = redis.call('HGET', key('room', room), 'epoch')
  local envelope = string.format('{"epoch":"%s","seq":%.0f,"name":"%s","data":', epoch, seq, name)
    .. data .. ',"private":' .. (private == '' and 'null' or private) .. '}'
  redis.call('XADD', key('journal', room), 'MAXLEN', '~', JOURNAL, string.format('%.0f-0', seq), 'e', envelope)
  redis.call('PUBLISH', key('events', room), envelope)
  return seq
end

local function drop_tracks(room, session, tell)
  local records = redis.call('HGETALL', key('records', room))
  for i = 1, #records, 2 do
    if cjson.decode(records[i + 1]).session == session then
      redis.call('HDEL', key('tracks', room), records[i])
      redis.call('HDEL', key('records', room), records[i])
      if tell then publish(room, 'track.unpublished', cjson.encode({id = records[i]}), '') end
    end
  end
end

local function leave(room, identity, reason, seat_s)
  local person = redis.call('HGET', key('people', room), identity)
  if not person then return end
  if reason ~= 'removed' then
    local seat = cjson.decode(person)
    seat.granted = redis.call('HGET', key('granted', room), identity)
    seat.recording = redis.call('HGET', key('room', room), 'recording')
    redis.call('SET', key('seat', room, identity), cjson.encode(seat), 'EX', seat_s)
  end
  redis.call('HDEL', key('people', room), identity)
  redis.call('HDEL', key('granted', room), identity)
  if redis.call('HGET', key('room', room), 'stage') == identity then
    redis.call('HDEL', key('room', room), 'stage')
  end
  publish(room, 'participant.left', cjson.encode({identity = identity, reason = reason}), '')
end

-- End a session: its tracks, and its person with the last one. False when it is not there.
local function close_session(room, session, reason, seat_s, resume_s)
  local member = room .. ' ' .. session
  redis.call('ZREM', key('leases'), member)
  local raw = redis.call('HGET', key('sessions', room), session)
  if not raw then return false end
  local entry = cjson.decode(raw)
  redis.call('HDEL', key('sessions', room), session)
  redis.call('SREM', key('of', entry.node), member)
  if reason ~= 'left' and reason ~= 'removed' then
    redis.call('SET', key('gone', room, session), entry.identity, 'EX', resume_s)
  end
  local last = false
  if entry.kind ~= 'whep' then
    last = redis.call('HINCRBY', key('tabs', room), entry.identity, -1) <= 0
  end
  drop_tracks(room, session, not last)
  if last then
    redis.call('HDEL', key('tabs', room), entry.identity)
    leave(room, entry.identity, reason, seat_s)
  end
  if redis.call('HLEN', key('sessions', room)) == 0 then
    for _, kind in ipairs(ROOM_KINDS) do redis.call('EXPIRE', key(kind, room), IDLE_S) end
  end
  return true
end

-- End up to limit sessions of a node; returns how many are left.
local function close_sessions_of(node, limit, seat_s, resume_s)
  local members = redis.call('SRANDMEMBER', key('of', node), limit)
  for _, member in ipairs(members) do
    local room, session = string.match(member, '^(%S+) (%S+)$')
    if not close_session(room, session, 'lost', seat_s, resume_s) then
      redis.call('SREM', key('of', node), member)
    end
  end
  return redis.call('SCARD', key('of', node))
end

