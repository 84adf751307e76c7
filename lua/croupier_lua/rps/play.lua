-- Play rock, paper, scissors once. Moves are 0 ROCK, 1 PAPER, 2 SCISSORS; outcomes 0 DRAW, 1 WIN, 2 LOSE for the player.
-- @arg move      int   the player's move
-- @arg forced    int   for tests: 1 + the outcome that is to come; 0: the roll decides
-- @record played   rps_played
-- @emits rps.played

-- @stage gate
-- @stage player
-- @stage ban
-- @stage exclusion
-- @stage rate_limit player
-- @stage seed
-- @stage stake
player_nonce = player_nonce + 1
local roll_count, roll_nonce = 1, player_nonce
-- @stage rolls

-- Each move beats the one before it, and ROCK the last.
played_server_move = math.floor(3 * rolls[1])
if forced > 0 then played_server_move = (move + 1 - forced) % 3 end
played_outcome = (move - played_server_move) % 3
-- There is no larger payout than that of a win.
played_payout = played_outcome == 0 and bet or played_outcome == 1 and payout_most or 0
player_tokens = player_tokens - bet + played_payout

local round_bet, round_win, changes = bet, played_payout, nil
-- @stage session_round
local player_bytes = player_pack()
local body = pack('>I8I1', now_ms, player_created + rate_blocked) .. player_bytes .. played_pack()
-- @stage commit
-- @stage save_rated player
if session_bytes then call('SET', session_key, session_bytes) end
return reply
