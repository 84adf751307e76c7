-- Stage: write the player's record; `player_bytes` are what the event holds of it.

if player_new_seed then
  call('SET', player_key, player_bytes .. player_pack_volatile())
else
  call('SETRANGE', player_key, 0, player_bytes)
end
