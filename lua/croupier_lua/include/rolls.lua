-- Stage: `rolls`, from 1 to at least `roll_count`: multiples of 2^-52 in [0, 1), three from each block of 40 hex digits.
-- Block number b is HMAC-SHA1 of "client_seed:nonce:b", the nonce being `roll_nonce`. The pads are the server seed XORed
-- with HMAC's two constants; it is as long as SHA-1's block, so it is the key as it stands (RFC 2104).

local rolls
local message = player_inner_pad .. sub(player_client_seed, 1, player_client_seed_length)
for number = 0, math.floor((roll_count - 1) / 3) do
  local inner = redis.sha1hex(message .. string.format(':%d:%d', roll_nonce, number))
  local block = redis.sha1hex(player_outer_pad .. pack('>I4I4I4I4I4', tonumber(sub(inner, 1, 8), 16),
    tonumber(sub(inner, 9, 16), 16), tonumber(sub(inner, 17, 24), 16), tonumber(sub(inner, 25, 32), 16),
    tonumber(sub(inner, 33, 40), 16)))
  local first = tonumber(sub(block, 1, 13), 16) / 4503599627370496
  local second = tonumber(sub(block, 14, 26), 16) / 4503599627370496
  if number == 0 then
    rolls = {first, second}
  else
    rolls[3 * number + 1], rolls[3 * number + 2] = first, second
  end
  if roll_count > 3 * number + 2 then rolls[3 * number + 3] = tonumber(sub(block, 27, 39), 16) / 4503599627370496 end
end
