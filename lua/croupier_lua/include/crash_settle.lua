-- Stage: settle the open round with `outcome` at `paid_m100`: pay, and keep how it ended in place of the open bet. Leaves
-- `round_bet`, `round_win` and `changes` for the session.
-- @record settled   crash_settled

-- Whole and exact: a bet times a multiplier stays below 2^53.
local hundredths = crash_bet * paid_m100
local payout = (hundredths - hundredths % 100) / 100
settled_elapsed_ms, settled_target_m100, settled_cap_m100 = elapsed_ms, crash_target_m100, crash_cap_m100
settled_growth_ppm, settled_started_at_ms, settled_nonce = crash_growth_ppm, crash_started_at_ms, crash_nonce
crash_settled_game, crash_settled_bet, crash_settled_outcome = crash_game, crash_bet, outcome
crash_settled_m100, crash_settled_crash_m100, crash_settled_payout = paid_m100, crash_point, payout
crash_game, crash_bet, crash_target_m100, crash_cap_m100 = string.rep('\0', 16), 0, 0, 0
crash_growth_ppm, crash_started_at_ms, crash_nonce = 0, 0, 0
player_tokens, player_payout_max = player_tokens + payout, 0
local round_bet, round_win, changes = crash_settled_bet, payout, nil
