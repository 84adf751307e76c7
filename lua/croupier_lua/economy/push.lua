-- Put a version of the economy in force: one event, its new pools, and a new name for the outbox.
-- @key head         head                 epoch, identity, economy, schema, fence
-- @key outbox       outbox:<fence>       events
-- @key opened       outbox:<next_fence>  the outbox's name from now on
-- @key definition   economy:<version>    canonical form of the economy
-- @key pools        pool:<banner>...     one per entry of `stock`
-- @arg epoch        text                 epoch of the partition
-- @arg header       text                 constant part of the event
-- @arg version      text                 the version, 64 hex characters
-- @arg canonical    text                 its canonical form
-- @arg fence        text                 the new fence
-- @arg stock        text...              rarity and initial stock, in turn, for each of the pools
-- @error FENCED
-- @emits economy.changed

local changes = {definition_key, canonical}
local created = {}
for index, pool in ipairs(pools_keys) do
  local rarity, initial = stock[2 * index - 1], stock[2 * index]
  if call('HEXISTS', pool, rarity) == 0 then
    changes[#changes + 1], changes[#changes + 2] = pool .. '#' .. rarity, initial
    created[#created + 1] = {pool, rarity, initial}
  end
end

local time = call('TIME')
local body = pack('>I8I1', time[1] * 1000 + math.floor(time[2] / 1000), 0)
local id = call('XADD', outbox_key, 'NOMKSTREAM', epoch .. '-*',
  'h', header, 'b', body, unpack(changes))
if not id then return {'FENCED'} end
call('SET', definition_key, canonical)
for _, pool in ipairs(created) do call('HSET', pool[1], pool[2], pool[3]) end
call('HSET', head_key, 'economy', version, 'fence', fence)
call('RENAME', outbox_key, opened_key)
return {'OK', id}
