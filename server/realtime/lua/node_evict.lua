-- node_evict(node, limit, seat_s, resume_s): end sessions a former process of this node left.
return close_sessions_of(ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5])
