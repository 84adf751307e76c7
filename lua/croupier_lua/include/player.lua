-- Stage: the player's record; ban; what the engine brings after NEEDS_SEED: the seed, and a new player's beginnings.
-- @state player   player:<uid>   balances, daily count, nonce, seeds
-- @arg nonce_floor int           (epoch - 1) * 10^9
-- @arg seed       seed?          given after NEEDS_SEED
-- @error PLAYER_BANNED
-- @error NEEDS_SEED seed_key seed_generation
-- @error SEED_MISMATCH

if player_flags % 2 == 1 then return refuse('PLAYER_BANNED') end

-- After a lost tail of the log the epoch is greater, so that no nonce which anybody has seen comes again.
if player_nonce < nonce_floor then player_nonce = nonce_floor end

-- The pads are missing before the first command, and where the record came back from the mirror, which holds no seeds.
local player_created, player_new_seed = 0, false
if player_seeded == 0 then
  local known = player_seed_generation > 0
  if seed_generation == 0 or known and (seed_key ~= player_seed_key or seed_generation ~= player_seed_generation) then
    return refuse('NEEDS_SEED', player_seed_key, player_seed_generation)
  end
  if known and seed_commitment ~= player_commitment then return refuse('SEED_MISMATCH') end
  if not player_stored then
    player_created, player_tokens, player_gems = 1, seed_tokens, seed_gems
    player_client_seed_length, player_client_seed = seed_client_seed_length, seed_client_seed
  end
  player_seed_key, player_seed_generation, player_commitment = seed_key, seed_generation, seed_commitment
  player_inner_pad, player_outer_pad, player_seeded, player_new_seed = seed_inner_pad, seed_outer_pad, 1, true
end
