-- Nothing but the rate limit of a player: the stage of the games' scripts, with what it needs around it.
-- @state player     player:<uid>     of which only the rate log is used

local function answer(...) return {...} end
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
-- @stage rate_limit player
local player_bytes = player_pack()
-- @stage save_rated player
return {'OK'}
