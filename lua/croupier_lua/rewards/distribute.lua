-- Grant a player tokens or gems, on an admin's word. Bans, exclusions and rate limits do not stop it.
-- @arg   currency      int   0 tokens, 1 gems
-- @arg   amount        int   what is added to the balance
-- @arg   balance_max   int   largest balance
-- @error PLAYER_NOT_FOUND
-- @error BALANCE_CAP balance
-- @emits rewards.granted

-- @stage gate
-- @stage player

if not player_stored then return answer('PLAYER_NOT_FOUND') end
-- What an open crash bet may still pay is set aside, so that its settlement always fits.
local balance, set_aside = player_tokens, player_payout_max
if currency == 1 then balance, set_aside = player_gems, 0 end
if balance + set_aside + amount > balance_max then return answer('BALANCE_CAP', string.format('%.0f', balance)) end
if currency == 0 then player_tokens = balance + amount else player_gems = balance + amount end

local player_bytes, changes = player_pack(), nil
local body = pack('>I8I1', now_ms, 0) .. player_bytes
-- @stage commit
-- @stage save player
return reply
