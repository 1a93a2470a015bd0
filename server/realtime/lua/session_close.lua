-- session_close(node, fence, room, session, reason, seat_s, resume_s)
-- Only the node that has the session ends it: it may have moved meanwhile.
local refusal = fenced(ARGV[2], ARGV[3])
if refusal then return refusal end
local raw = redis.call('HGET', key('sessions', ARGV[4]), ARGV[5])
if not raw or cjson.decode(raw).node ~= ARGV[2] then return 0 end
close_session(ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8])
return 1
