"""The lanes that messages wait in, as two Lua scripts: how they get in, and in which order they get out.

A lane is a sorted set for one priority and one worker tag. Its scores are not times but turns, so that tenants share
it fairly (start-time fair queueing): a tenant's message gets the turn after that tenant's last one, or the turn that
the lane is at, whichever is later. A tenant with 50,000 waiting jobs holds the turns from now to now + 50,000; another
one's single job gets the next turn, beside the first of those.

    lavori:queue:<priority>:<tag>         sorted set: message → turn
    lavori:queue:<priority>:<tag>:clock   hash: "" → the turn that is out, "@" → when, in ms, <tenant> → its next turn;
                                          gone with the lane
    lavori:later                          sorted set: message → due time in ms, until it is due
    lavori:tags                           set: every tag that a message ever named, for workers that take any
    arq:job:<message>                     arq's job record, which also names lane and tenant

Among the lanes the one goes first that has waited longest, where each class of priority counts as much as AGING_MS of
waiting. A lane waits since it was served last, or since its head is due if that is later; not for as long as its head:
else an old backlog would outweigh every priority, and one tenant's would delay another's urgent job.
"""

AGING_MS = 60_000
"""A lane that was passed over for a minute outweighs one class of priority, so that low ones stay alive."""

_ENTER = """
local function enter(name, lane, tenant)
  local clock = lane .. ':clock'
  local turn = math.max(tonumber(redis.call('HGET', clock, '') or 0), tonumber(redis.call('HGET', clock, tenant) or 0))
  redis.call('ZADD', lane, turn, name)
  redis.call('HSET', clock, tenant, turn + 1)
end
"""

# ARGV: life of a record in ms, then for each message: name, record, lane, tenant, tag, due time, and by how many ms it
# may still be ahead. What may be ahead waits in `later`, for a worker to say that it is due: this script knows no time.
# Answers how many were not there before.
OFFER = (
    _ENTER
    + """
local added = 0
for i = 2, #ARGV, 7 do
  local name, record, lane, tenant, tag, due = ARGV[i], ARGV[i+1], ARGV[i+2], ARGV[i+3], ARGV[i+4], tonumber(ARGV[i+5])
  local ahead = tonumber(ARGV[i+6])
  if redis.call('SET', 'arq:job:' .. name, record, 'NX', 'PX', ARGV[1] + ahead) then
    added = added + 1
    if tag ~= '' then redis.call('SADD', 'lavori:tags', tag) end
    if ahead > 0 then redis.call('ZADD', 'lavori:later', due, name) else enter(name, lane, tenant) end
  end
end
redis.call('PUBLISH', 'lavori:wake', '')
return added
"""
)

# ARGV: message, its lane.
WITHDRAW = """
redis.call('ZREM', ARGV[2], ARGV[1])
redis.call('ZREM', 'lavori:later', ARGV[1])
redis.call('DEL', 'arq:job:' .. ARGV[1])
"""

# ARGV: now, how many, AGING_MS, any tag?, only tagged?, tags…
# Answers: milliseconds until the next message is due (or -1), then message and record in turns.
# A message whose record is gone (withdrawn, expired) is dropped.
TAKE = (
    _ENTER
    + """
local now, want, aging = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', 'lavori:later', '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', 'lavori:later', name)
  local record = redis.call('GET', 'arq:job:' .. name)
  if record then
    local read, facts = pcall(cjson.decode, record)
    if read and type(facts) == 'table' and type(facts.lane) == 'string' and type(facts.tenant) == 'string' then
      enter(name, facts.lane, facts.tenant)
    end
  end
end
local tags = {}
if ARGV[5] == '0' then tags[1] = '' end
if ARGV[4] == '1' then
  for _, tag in ipairs(redis.call('SMEMBERS', 'lavori:tags')) do tags[#tags + 1] = tag end
else
  for i = 6, #ARGV do tags[#tags + 1] = ARGV[i] end
end
local function pop(lane)
  redis.call('ZREM', lane.key, lane.name)
  redis.call('DEL', 'arq:job:' .. lane.name)
end
local function look(lane)
  while true do
    local head = redis.call('ZRANGE', lane.key, 0, 0, 'WITHSCORES')
    lane.name, lane.turn = head[1], head[2]
    if not lane.name then redis.call('DEL', lane.key .. ':clock') return end
    lane.record = redis.call('GET', 'arq:job:' .. lane.name)
    if lane.record then
      local due = tonumber(string.match(lane.record, '"et":(%d+)') or now)
      lane.age = math.max(due, lane.served) - lane.bonus
      return
    end
    pop(lane)
  end
end
local lanes = {}
for _, tag in ipairs(tags) do
  for priority = 0, 4 do
    local lane = {key = 'lavori:queue:' .. priority .. ':' .. tag, bonus = priority * aging}
    lane.served = tonumber(redis.call('HGET', lane.key .. ':clock', '@') or 0)
    look(lane)
    if lane.name then lanes[#lanes + 1] = lane end
  end
end
local taken = {-1}
while want > 0 do
  local best
  for _, lane in ipairs(lanes) do
    if lane.name and (not best or lane.age < best.age) then best = lane end
  end
  if not best then break end
  taken[#taken + 1] = best.name
  taken[#taken + 1] = best.record
  best.served = now + #taken / 10000  -- later than those that were served before in this call: equals take turns
  redis.call('HSET', best.key .. ':clock', '', best.turn, '@', string.format('%.4f', best.served))
  pop(best)
  look(best)
  want = want - 1
end
local soonest = redis.call('ZRANGE', 'lavori:later', 0, 0, 'WITHSCORES')
if soonest[2] then taken[1] = math.max(0, tonumber(soonest[2]) - now) end
return taken
"""
)
