-- sessions(room): {session, '{"identity", "node", "kind"}', ...} of the open sessions.
return redis.call('HGETALL', key('sessions', ARGV[2]))
