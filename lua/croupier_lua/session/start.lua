-- Open a session in a game, or say which one is open. One that is idle has to be ended first, by the system.
-- @state session          session:<uid>:<game>   the player's session in this game, open or the last one
-- @key   session_open     session_open           open sessions, by when to look whether they are idle
-- @arg   session_idle_ms  int                    a session that was not played for so long is over
-- @arg   session_bit      int                    the game's bit in the player's record
-- @arg   new_id           text                   16 bytes
-- @arg   member           text                   the session's member of `session_open`
-- @error SESSION_IDLE session_id
-- @emits session.started

-- @stage gate
-- @stage player
-- @stage ban
-- @stage exclusion
-- @stage rate_limit player

if bit.band(player_sessions, session_bit) ~= 0 then
  if now_ms - session_last_at_ms >= session_idle_ms then return answer('SESSION_IDLE', session_id) end
  return answer('OK', '', pack('>I8I1', now_ms, rate_blocked) .. player_pack() .. session_pack())
end

-- @stage seed

player_sessions = bit.bor(player_sessions, session_bit)
session_id, session_started_at_ms, session_last_at_ms, session_ended_at_ms = new_id, now_ms, now_ms, 0
session_rounds, session_bet, session_win = 0, 0, 0

local player_bytes, session_bytes, changes = player_pack(), session_pack(), nil
local body = pack('>I8I1', now_ms, player_created + rate_blocked) .. player_bytes .. session_bytes
-- @stage commit
-- @stage save_rated player
call('SET', session_key, session_bytes)
call('ZADD', session_open_key, string.format('%.0f', now_ms + session_idle_ms), member)
return reply
