-- people(room...): how many people are in each.
local found = {}
for i = 2, #ARGV do found[i - 1] = redis.call('HLEN', key('people', ARGV[i])) end
return found
