-- Stage: soft pity. Grows `legendary`, `epic` and `rare`, the weights in ppm of the next draw, each at the expense of the
-- rarities below it, the most common first.

local weights = {legendary, epic, rare, 1000000 - legendary - epic - rare}
local since = {gacha_since_legendary, gacha_since_epic, gacha_since_rare}
local from = {soft_from_legendary, soft_from_epic, soft_from_rare}
local step = {soft_step_legendary, soft_step_epic, soft_step_rare}
for rarity = 1, 3 do
  local grown = from[rarity] > 0 and step[rarity] * (since[rarity] + 2 - from[rarity]) or 0
  local lower = 4
  while grown > 0 and lower > rarity do
    local taken = math.min(grown, weights[lower])
    weights[lower], weights[rarity], grown = weights[lower] - taken, weights[rarity] + taken, grown - taken
    lower = lower - 1
  end
end
legendary, epic, rare = weights[1], weights[2], weights[3]
