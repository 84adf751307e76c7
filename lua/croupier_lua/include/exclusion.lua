-- Stage: self-exclusion, in every command that spends or bets.
-- @error PLAYER_EXCLUDED excluded_until_ms

if player_excluded_until_ms > now_ms then
  return answer('PLAYER_EXCLUDED', string.format('%d', player_excluded_until_ms))
end
