-- Stage: the player's record.
-- @state player     player:<uid>   balances, daily count, nonce, seeds, rate log
-- @arg nonce_floor  int            (epoch - 1) * 10^9

-- After a lost tail of the log the epoch is greater, so that no nonce which anybody has seen comes again.
if player_nonce < nonce_floor then player_nonce = nonce_floor end
