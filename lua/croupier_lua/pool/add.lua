-- Add stock to an existing pool, while players draw from it.
-- @key outbox      outbox:<fence>   events
-- @key pool        pool:<banner>    remaining stock per limited rarity
-- @arg amount      int              what is added
-- @arg stock_max   int              most that the pool may hold afterwards
-- @arg epoch       text             epoch of the partition
-- @arg header      text             constant part of the event
-- @arg rarity      text             the pool's rarity
-- @error FENCED
-- @error NO_POOL
-- @error POOL_FULL stock
-- @emits pool.added

-- What writes nothing has no XADD that tells whether the caller's view is stale: ask.
local function answer(...)
  if call('EXISTS', outbox_key) == 0 then return {'FENCED'} end
  return {...}
end

local stock = tonumber(call('HGET', pool_key, rarity))
if not stock then return answer('NO_POOL') end
if stock + amount > stock_max then return answer('POOL_FULL', string.format('%d', stock)) end

local added = string.format('%d', stock + amount)
local time = call('TIME')
local body = pack('>I8I1', time[1] * 1000 + math.floor(time[2] / 1000), 0)
local id = call('XADD', outbox_key, 'NOMKSTREAM', epoch .. '-*',
  'h', header, 'b', body, pool_key .. '#' .. rarity, added)
if not id then return {'FENCED'} end
call('HSET', pool_key, rarity, added)
return {'OK', id, string.format('%d', stock), added}
