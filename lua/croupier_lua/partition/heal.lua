-- Mark a closed partition as being healed: from now on only this healer may write to it or open it.
-- @flag  allow-oom
-- @key head    head   epoch, fence, healing
-- @arg epoch   int    the epoch that the healer has taken for the partition, which is its mark
-- @error FENCED

local known = call('HMGET', head_key, 'fence', 'healing', 'epoch')
if known[1] and known[1] ~= '' then return {'FENCED'} end
-- A healer that slept must not take the partition back from a later one.
if (tonumber(known[2]) or 0) >= epoch or (tonumber(known[3]) or 0) >= epoch then return {'FENCED'} end
call('HSET', head_key, 'healing', string.format('%.0f', epoch))
return {'OK'}
