-- Stage: what the engine brings after NEEDS_SEED: the player's server seed, and a new player's beginnings. The pads are
-- missing before the first command, and where the record came back from the mirror, which holds no seeds.
-- @arg seed   seed?   empty until it was asked for
-- @error NEEDS_SEED seed_key seed_generation
-- @error SEED_MISMATCH

local player_created = 0
if player_seeded == 0 then
  local known = player_seed_generation > 0
  if seed_generation == 0 or known and (seed_key ~= player_seed_key or seed_generation ~= player_seed_generation) then
    return answer('NEEDS_SEED', player_seed_key, player_seed_generation)
  end
  if known and seed_commitment ~= player_commitment then return answer('SEED_MISMATCH') end
  if not player_stored then
    player_created, player_tokens, player_gems = 1, seed_tokens, seed_gems
    player_client_seed_length, player_client_seed = seed_client_seed_length, seed_client_seed
  end
  player_seed_key, player_seed_generation, player_commitment = seed_key, seed_generation, seed_commitment
  player_inner_pad, player_outer_pad, player_seeded, player_rewrite = seed_inner_pad, seed_outer_pad, 1, true
end
