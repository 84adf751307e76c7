-- Stage: count a round of `round_bet` and `round_win` tokens in the player's open session of this game, if there is one.
-- Takes and leaves `changes`; leaves `session_bytes`, nil where nothing was counted.
-- @key session          session:<uid>:<game>   the player's session in this game
-- @arg session_bit      int                    the game's bit in the player's record
-- @arg session_idle_ms  int                    a session that was not played for so long is over
-- @record session       session

local session_bytes
if bit.band(player_sessions, session_bit) ~= 0 then
  local session_read = call('GET', session_key)
  if session_read then
    session_unpack(session_read)
  end
  if session_read and session_ended_at_ms == 0 and now_ms - session_last_at_ms < session_idle_ms then
    session_last_at_ms, session_rounds = math.max(now_ms, session_last_at_ms), session_rounds + 1
    session_bet, session_win = session_bet + round_bet, session_win + round_win
    session_bytes, changes = session_pack(), changes or {}
    changes[#changes + 1], changes[#changes + 2] = session_key, session_bytes
  end
end
