-- Place a crash bet, which begins a round. Nothing is rolled here: the nonce fixes the crash point, and only a settlement
-- works it out, so that nothing of a bet can depend on it.
-- @state crash         crash:<uid>   the open bet, the settlement before
-- @key   crash_open    crash_open    players with an open bet, by its time
-- @arg   target_m100   int           multiplier at which it is paid by itself, in hundredths
-- @arg   cap_m100      int           largest multiplier
-- @arg   growth_ppm    int           growth of the multiplier per second
-- @arg   member        text          the player's id, as the index has it
-- @arg   game          text          id of the round, 16 bytes
-- @error CRASH_BET_ACTIVE
-- @emits crash.bet_placed

-- @stage gate
-- @stage player
-- @stage ban
-- @stage exclusion
-- @stage rate_limit player
-- @stage seed
if player_payout_max > 0 then return answer('CRASH_BET_ACTIVE') end
-- @stage stake

player_nonce = player_nonce + 1
player_tokens, player_payout_max = player_tokens - bet, payout_most
crash_game, crash_bet, crash_target_m100, crash_cap_m100 = game, bet, target_m100, cap_m100
crash_growth_ppm, crash_started_at_ms, crash_nonce = growth_ppm, now_ms, player_nonce

local player_bytes, crash_bytes, changes = player_pack(), crash_pack(), nil
local body = pack('>I8I1', now_ms, player_created + rate_blocked) .. player_bytes .. crash_bytes
-- @stage commit
-- @stage save_rated player
-- @stage save crash
call('ZADD', crash_open_key, now_ms, member)
return reply
