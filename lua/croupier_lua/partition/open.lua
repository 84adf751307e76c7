-- Begin an epoch on a closed partition: append `epoch.opened`, give the outbox its name, say so in the head. Where the
-- partition was healed, the log begins anew, with the last event that Postgres holds.
-- @flag  allow-oom
-- @key head          head               epoch, identity, economy, schema, fence, healing
-- @key closed        outbox:closed      the stream of a partition that stands still
-- @key opened        outbox:<fence>     its name from now on
-- @arg last_id       text               last entry of the closed stream as its caller compared it; empty: none
-- @arg epoch         text               the epoch that begins
-- @arg header        text               constant part of the event
-- @arg identity      text               identity of this server
-- @arg economy       text               version of the economy in force, 64 hex characters; empty: none yet
-- @arg schema        text               lowest version of the scripts that may write
-- @arg fence         text               the new fence
-- @arg installation  text               id shared with Postgres
-- @arg partitions    text               number of partitions
-- @arg healing       text               the epoch by which the caller has marked the head; empty: it has healed nothing
-- @arg cursor_id     text               where it has healed: id of Postgres' last event; empty: there is none
-- @arg cursor        text...            the fields and values of that event's entry
-- @error FENCED
-- @emits epoch.opened

local last = call('XREVRANGE', closed_key, '+', '-', 'COUNT', 1)
if (last[1] and last[1][1] or '') ~= last_id then return {'FENCED'} end
local known = call('HMGET', head_key, 'fence', 'healing')
if known[1] and known[1] ~= '' or (known[2] or '') ~= healing then return {'FENCED'} end

if healing ~= '' then
  call('UNLINK', closed_key)
  if cursor_id ~= '' then call('XADD', closed_key, cursor_id, unpack(cursor)) end
end
local time = call('TIME')
local body = pack('>I8I1', time[1] * 1000 + math.floor(time[2] / 1000), 0)
local id = call('XADD', closed_key, epoch .. '-*', 'h', header, 'b', body)
call('HSET', head_key, 'epoch', epoch, 'identity', identity, 'economy', economy, 'schema', schema,
  'fence', fence, 'installation', installation, 'partitions', partitions, 'healing', '')
call('RENAME', closed_key, opened_key)
return {'OK', id}
