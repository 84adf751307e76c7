-- Cash a round out at the multiplier it has reached; where it is over already, settle it as it ended.
-- @flag  allow-oom
-- @state crash        crash:<uid>   the open bet, the settlement before
-- @key   crash_open   crash_open    players with an open bet, by its time
-- @arg   member       text          the player's id, as the index has it
-- @arg   game         text          id of the round, 16 bytes; empty: one that no round has
-- @error CRASH_NO_ACTIVE_BET
-- @emits crash.settled

-- @stage gate
-- @stage player
-- @stage ban
-- @stage rate_limit crash
if player_payout_max == 0 or crash_game ~= game then
  -- What the server settled, rather than the player (1), is told again.
  if crash_settled_outcome < 2 or crash_settled_game ~= game then return answer('CRASH_NO_ACTIVE_BET') end
  return answer('OK', '', pack('>I8I1', now_ms, rate_blocked) .. player_pack() .. crash_pack())
end
-- @stage seed
local roll_count, roll_nonce = 1, crash_nonce
-- @stage rolls
-- @stage crash_judge
if outcome == 0 then outcome, paid_m100 = 1, reached end
-- @stage crash_settle
-- @stage session_round

local player_bytes, crash_bytes = player_pack(), crash_pack()
local body = pack('>I8I1', now_ms, player_created + rate_blocked) .. player_bytes .. crash_bytes .. settled_pack()
-- @stage commit
-- @stage save player
-- @stage save_rated crash
call('ZREM', crash_open_key, member)
if session_bytes then call('SET', session_key, session_bytes) end
return reply
