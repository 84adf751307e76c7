-- Spin the slot machine once for one player.
-- @arg reel_1    text   symbols of the first reel's strip, 1 byte each; its first two come again at the end
-- @arg reel_2    text   of the second reel
-- @arg reel_3    text   of the third reel
-- @arg lines     text   per line, for each reel, a place in the window: 1 to 9, reel by reel, each from the top
-- @arg paytable  text   per symbol, in percent of the bet, what two and what three of it pay, 4 bytes each
-- @record spun   slot_spun
-- @emits slot.spun

-- @stage gate
-- @stage player
-- @stage ban
-- @stage exclusion
-- @stage rate_limit player
-- @stage seed
-- @stage stake
player_nonce = player_nonce + 1
local roll_count, roll_nonce = 3, player_nonce
-- @stage rolls

spun_stop_1 = math.floor(rolls[1] * (#reel_1 - 2))
spun_stop_2 = math.floor(rolls[2] * (#reel_2 - 2))
spun_stop_3 = math.floor(rolls[3] * (#reel_3 - 2))
local window = sub(reel_1, spun_stop_1 + 1, spun_stop_1 + 3) .. sub(reel_2, spun_stop_2 + 1, spun_stop_2 + 3)
  .. sub(reel_3, spun_stop_3 + 1, spun_stop_3 + 3)
for line = 1, #lines, 3 do
  local place_1, place_2, place_3 = string.byte(lines, line, line + 2)
  local symbol = string.byte(window, place_1)
  if symbol == string.byte(window, place_2) then
    local two, three = struct.unpack('>I4I4', paytable, 8 * symbol + 1)
    spun_percent = spun_percent + (symbol == string.byte(window, place_3) and three or two)
  end
end
-- Whole, since every bet is a multiple of 100.
spun_payout = bet / 100 * spun_percent
player_tokens = player_tokens - bet + spun_payout

local round_bet, round_win, changes = bet, spun_payout, nil
-- @stage session_round
local player_bytes = player_pack()
local body = pack('>I8I1', now_ms, player_created + rate_blocked) .. player_bytes .. spun_pack()
-- @stage commit
-- @stage save_rated player
if session_bytes then call('SET', session_key, session_bytes) end
return reply
