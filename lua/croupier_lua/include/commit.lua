-- Stage: append the event, which is the first write: where the fence has moved it does nothing, and so does the command.
-- Takes `body` (time, whether the player is new, the records' durable bytes, the result) and `changes` (nil, or further
-- after-images: key, bytes, in turn); leaves `reply`. Absolute writes follow, and nothing that can fail.
-- @arg entry           text   `<epoch>-*`
-- @arg header          text   constant part of the event, packed by the engine

local id
if changes then
  id = call('XADD', outbox_key, 'NOMKSTREAM', entry, 'h', header, 'b', body, unpack(changes))
else
  id = call('XADD', outbox_key, 'NOMKSTREAM', entry, 'h', header, 'b', body)
end
if not id then return {'FENCED'} end
local reply = {'OK', id, body}
if request ~= '' then
  local kept = request .. pack('>I1', #id) .. id .. body
  if idempotency_ms > 0 then call('SET', idempotency_key, kept, 'PX', idempotency_ms) else call('SET', idempotency_key, kept) end
end
