-- tell(node, message): returns how many listened.
return redis.call('PUBLISH', key('node', ARGV[2]), ARGV[3])
