-- Stage: the ban, in every command that a player asks for.
-- @error PLAYER_BANNED

if player_flags % 2 == 1 then return answer('PLAYER_BANNED') end
