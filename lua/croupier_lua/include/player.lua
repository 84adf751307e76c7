-- Stage: the player's record, and the ban.
-- @state player     player:<uid>   balances, daily count, nonce, seeds
-- @arg nonce_floor  int            (epoch - 1) * 10^9
-- @error PLAYER_BANNED

if player_flags % 2 == 1 then return refuse('PLAYER_BANNED') end

-- After a lost tail of the log the epoch is greater, so that no nonce which anybody has seen comes again.
if player_nonce < nonce_floor then player_nonce = nonce_floor end
