-- End a session. What is idle was over with its last round. The system ends only what is idle, and leaves alone what was
-- played meanwhile.
-- @flag  allow-oom
-- @state session          session:<uid>:<game>   the player's session in this game, open or the last one
-- @key   session_open     session_open           open sessions, by when to look whether they are idle
-- @arg   session_idle_ms  int                    a session that was not played for so long is over
-- @arg   session_bit      int                    the game's bit in the player's record
-- @arg   only_idle        int                    1: the system asks; 0: the player does
-- @arg   asked_id         text                   16 bytes
-- @arg   member           text                   the session's member of `session_open`
-- @error SESSION_NOT_FOUND
-- @emits session.ended

-- @stage gate
-- @stage player
if only_idle == 0 then
  -- @stage ban
end
if not session_stored or session_id ~= asked_id then return answer('SESSION_NOT_FOUND') end

local idle = now_ms - session_last_at_ms >= session_idle_ms
if session_ended_at_ms > 0 or only_idle == 1 and not idle then
  return answer('OK', '', pack('>I8I1', now_ms, 0) .. player_pack() .. session_pack())
end

-- Where the clock went back, a session still does not end before its last round.
session_ended_at_ms = idle and session_last_at_ms or math.max(now_ms, session_last_at_ms)
player_sessions = bit.band(player_sessions, bit.bnot(session_bit))

local player_bytes, session_bytes, changes = player_pack(), session_pack(), nil
local body = pack('>I8I1', now_ms, 0) .. player_bytes .. session_bytes
-- @stage commit
-- @stage save player
call('SET', session_key, session_bytes)
call('ZREM', session_open_key, member)
return reply
