-- Run commands on keys of a partition that is being healed, all of them or none.
-- @flag  allow-oom
-- @key head       head      healing
-- @arg healing    text      the caller's mark
-- @arg commands   text...   each command: the number of its words, then the words; its keys are the partition's
-- @error FENCED

if call('HGET', head_key, 'healing') ~= healing then return {'FENCED'} end
local at = 1
while commands[at] do
  local words = tonumber(commands[at])
  call(unpack(commands, at + 1, at + words))
  at = at + words + 1
end
return {'OK'}
