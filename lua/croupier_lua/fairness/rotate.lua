-- Reveal a player's server seed and commit to the next one; the only way to set the client seed.
-- @arg revealed       text    the server seed of the generation given as `seed`, 64 hex characters
-- @arg next           seed?   the seed that follows; both come after NEEDS_SEED
-- @arg client_seed    text    new client seed, 1 to 32 characters; empty: keep the old one
-- @record rotated     fairness_rotated
-- @error CRASH_BET_ACTIVE
-- @emits fairness.rotated

-- @stage gate
-- @stage player
-- @stage ban
-- @stage rate_limit player
-- @stage seed

if player_payout_max > 0 then return answer('CRASH_BET_ACTIVE') end
if seed_key ~= player_seed_key or seed_generation ~= player_seed_generation then
  return answer('NEEDS_SEED', player_seed_key, player_seed_generation)
end
if seed_commitment ~= player_commitment then return answer('SEED_MISMATCH') end

rotated_revealed_key, rotated_revealed_generation = player_seed_key, player_seed_generation
rotated_revealed_commitment, rotated_revealed_seed = player_commitment, revealed
rotated_revealed_client_length, rotated_revealed_client_seed = player_client_seed_length, player_client_seed

player_seed_key, player_seed_generation, player_commitment = next_key, next_generation, next_commitment
player_inner_pad, player_outer_pad, player_rewrite = next_inner_pad, next_outer_pad, true
if client_seed ~= '' then
  player_client_seed_length, player_client_seed = #client_seed, client_seed .. string.rep('\0', 32 - #client_seed)
end

local player_bytes, changes = player_pack(), nil
local body = pack('>I8I1', now_ms, player_created + rate_blocked) .. player_bytes .. rotated_pack()
-- @stage commit
-- @stage save_rated player
return reply
