-- Draw items from a banner for one player. Rarities are 1 Legendary, 2 Epic, 3 Rare, 4 Common.
-- @state gacha           gacha:<uid>:<banner>   pity counters, guarantee, totals
-- @key   pool            pool:<banner>          remaining stock per limited rarity
-- @arg   draw_count      int                    1 or 10
-- @arg   currency        int                    0 tokens, 1 gems
-- @arg   cost            int                    price in that currency
-- @arg   daily_limit     int                    pulls a day for the player's tier
-- @arg   day             int                    the day that now falls on, in days since 1970-01-01
-- @arg   day_from_ms     int                    its first millisecond
-- @arg   day_until_ms    int                    the first millisecond of the day after
-- @arg   table           gacha_table            the banner in force
-- @arg   soft            gacha_soft_pity?       its soft pity; empty: none
-- @arg   items           text                   per rarity offset, count and weight; then cumulative item weights
-- @record draw           gacha_draw
-- @error STALE_DAY now_ms
-- @error DAILY_GACHA_LIMIT used
-- @error INSUFFICIENT_BALANCE balance
-- @emits gacha.pulled

-- @stage gate
-- @stage player
-- @stage ban
-- @stage exclusion
-- @stage rate_limit player
-- @stage seed

if now_ms < day_from_ms or now_ms >= day_until_ms then return answer('STALE_DAY', string.format('%d', now_ms)) end
if day > player_day then player_day, player_pulls = day, 0 end
if player_pulls >= daily_limit then return answer('DAILY_GACHA_LIMIT', player_pulls) end
local balance = currency == 0 and player_tokens or player_gems
if balance < cost then return answer('INSUFFICIENT_BALANCE', string.format('%d', balance)) end

local draws, stock, changes, names = '', nil, nil, nil
player_nonce = player_nonce + 1
local roll_count, roll_nonce = 2 * draw_count, player_nonce
-- @stage rolls

for index = 1, draw_count do
  local legendary, epic, rare = table_weight_legendary, table_weight_epic, table_weight_rare
  if soft_from_legendary + soft_from_epic + soft_from_rare > 0 then
    -- @stage soft_pity
  end
  local due = table_hard_legendary > 0 and gacha_since_legendary >= table_hard_legendary - 1 and 1
    or table_hard_epic > 0 and gacha_since_epic >= table_hard_epic - 1 and 2
    or table_hard_rare > 0 and gacha_since_rare >= table_hard_rare - 1 and 3
  local r = math.floor(rolls[2 * index - 1] * 1000000)
  draw_rarity = due or r < legendary and 1 or r < legendary + epic and 2 or r < legendary + epic + rare and 3 or 4
  draw_flags, draw_downgraded_from, draw_stock = due and 2 or 0, 0, 0

  if draw_rarity < 4 and table_limited > 0 and bit.band(table_limited, bit.lshift(1, draw_rarity - 1)) ~= 0 then
    stock, names = stock or {}, {'Legendary', 'Epic', 'Rare'}
    draw_stock = stock[draw_rarity] or tonumber(call('HGET', pool_key, names[draw_rarity]))
    draw_flags = draw_flags + 8
    if draw_stock > 0 then
      stock[draw_rarity] = draw_stock - 1
    else
      draw_downgraded_from, draw_rarity = draw_rarity, 4
    end
  end
  if r >= legendary and r < legendary + table_near_miss_ppm and not due and draw_downgraded_from == 0 then
    draw_flags = draw_flags + 1
  end

  -- The item: the first whose cumulative weight exceeds floor(u * weight), or else the last that may be chosen.
  local offset, choices, weight = struct.unpack('>I2I2I4', items, 8 * draw_rarity - 7)
  if draw_rarity == table_rate_up and gacha_guaranteed == 1 then
    choices, weight, draw_flags = table_featured_count, table_featured_weight, draw_flags + 4
  end
  local picked = math.floor(rolls[2 * index] * weight)
  draw_item = 0
  while draw_item < choices - 1 and struct.unpack('>I4', items, offset + 4 * draw_item) <= picked do
    draw_item = draw_item + 1
  end
  if draw_rarity == table_rate_up then gacha_guaranteed = draw_item < table_featured_count and 0 or 1 end
  draws = draws .. draw_pack()

  gacha_since_legendary, gacha_since_epic = gacha_since_legendary + 1, gacha_since_epic + 1
  gacha_since_rare = gacha_since_rare + 1
  if draw_rarity == 4 then gacha_common = gacha_common + 1
  elseif draw_rarity == 3 then gacha_since_rare, gacha_rare = 0, gacha_rare + 1
  elseif draw_rarity == 2 then gacha_since_epic, gacha_epic = 0, gacha_epic + 1
  else gacha_since_legendary, gacha_legendary = 0, gacha_legendary + 1 end
end

player_pulls = player_pulls + 1
if currency == 0 then player_tokens = player_tokens - cost else player_gems = player_gems - cost end
for rarity = 1, stock and 3 or 0 do
  if stock[rarity] then
    changes = changes or {}
    changes[#changes + 1], changes[#changes + 2] = pool_key .. '#' .. names[rarity], stock[rarity]
  end
end

local round_bet, round_win = currency == 0 and cost or 0, 0
-- @stage session_round
local player_bytes, gacha_bytes = player_pack(), gacha_pack()
local body = pack('>I8I1', now_ms, player_created + rate_blocked) .. player_bytes .. gacha_bytes .. gacha_read .. draws
-- @stage commit
-- @stage save_rated player
call('SETRANGE', gacha_key, 0, gacha_bytes)
if session_bytes then call('SET', session_key, session_bytes) end
for rarity = 1, stock and 3 or 0 do
  if stock[rarity] then call('HSET', pool_key, names[rarity], stock[rarity]) end
end
return reply
