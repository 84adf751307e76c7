-- Stage: the bet against the balance, and the largest payout against the largest balance there may be. What an open crash
-- bet may still pay is set aside.
-- @arg bet          int   tokens
-- @arg payout_most  int   largest payout of this bet
-- @arg balance_max  int   largest balance
-- @error INSUFFICIENT_BALANCE balance
-- @error BALANCE_CAP balance

if player_tokens < bet then return answer('INSUFFICIENT_BALANCE', string.format('%.0f', player_tokens)) end
if player_tokens - bet + player_payout_max + payout_most > balance_max then
  return answer('BALANCE_CAP', string.format('%.0f', player_tokens))
end
