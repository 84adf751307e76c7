-- Take a partition's fence away, so that no command can run until it is opened again.
-- @flag  allow-oom
-- @key head     head             epoch, identity, economy, schema, fence
-- @key outbox   outbox:<fence>   the stream under the name that the head gives
-- @key closed   outbox:closed    the stream of a partition that stands still
-- @arg fence    text             the fence to take away
-- @error FENCED

if call('HGET', head_key, 'fence') ~= fence then return {'FENCED'} end
if call('EXISTS', outbox_key) == 1 then call('RENAME', outbox_key, closed_key) end
call('HSET', head_key, 'fence', '')
return {'OK'}
