-- publish(node, fence, room, fresh epoch, name, data, private, {kind, key, before, after}...)
-- Stores and publishes if everything it touches is as "before" says ('' for absent).
-- Returns {epoch, seq}; {} when something differs; {session} when a track's session is gone.
local node, fence, room, name, data, private = ARGV[2], ARGV[3], ARGV[4], ARGV[6], ARGV[7], ARGV[8]
local refusal = fenced(node, fence)
if refusal then return refusal end
local epoch = begin(room, ARGV[5])

local function same(stored, before)
  if not stored or before == '' then return not stored and before == '' end
  local a, b = cjson.decode(stored), cjson.decode(before)
  for k, v in pairs(b) do if a[k] ~= v then return false end end
  return true
end

local HASHES = {person = 'people', track = 'tracks'}
local FIELDS = {stage = true, recording = true}
for i = 9, #ARGV, 4 do
  local kind, field, before = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if FIELDS[kind] then
    if (redis.call('HGET', key('room', room), kind) or '') ~= before then return {} end
  elseif not same(redis.call('HGET', key(HASHES[kind], room), field), before) then
    return {}
  end
end
if name == 'track.published' then
  local session = cjson.decode(private).session
  if redis.call('HEXISTS', key('sessions', room), session) == 0 then return {session} end
end
for i = 9, #ARGV, 4 do
  local kind, field, after = ARGV[i], ARGV[i + 1], ARGV[i + 3]
  if FIELDS[kind] then
    if after == '' then redis.call('HDEL', key('room', room), kind)
    else redis.call('HSET', key('room', room), kind, after) end
  elseif after ~= '' then
    redis.call('HSET', key(HASHES[kind], room), field, after)
    if kind == 'track' and private ~= '' then redis.call('HSET', key('records', room), field, private) end
  else
    redis.call('HDEL', key(HASHES[kind], room), field)
    if kind == 'track' then redis.call('HDEL', key('records', room), field) end
  end
end
if name == 'recording.started' then -- earlier answers are void
  local people = redis.call('HGETALL', key('people', room))
  for i = 1, #people, 2 do
    local person = cjson.decode(people[i + 1])
    person.recording_consent = cjson.null
    redis.call('HSET', key('people', room), people[i], cjson.encode(person))
  end
end
return {epoch, publish(room, name, data, private)}
