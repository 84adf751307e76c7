-- Record what a player did in the client, such as opening the shop. What it was is in the event's terms; no balance changes.
-- @emits actions.recorded

-- @stage gate
-- @stage player
-- @stage ban
-- @stage rate_limit player
-- @stage seed

local player_bytes, changes = player_pack(), nil
local body = pack('>I8I1', now_ms, player_created + rate_blocked) .. player_bytes
-- @stage commit
-- @stage save_rated player
return reply
