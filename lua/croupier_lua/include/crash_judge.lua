-- Stage: how the open round stands by `now_ms`. Takes `rolls`, of the bet's nonce. Multipliers are in hundredths. Leaves
-- `crash_point`, `elapsed_ms`, `reached` (the multiplier by now), `outcome` (0 while the round is running, else as in the
-- record) and `paid_m100`.

local crash_point = math.min(crash_cap_m100, math.max(100, math.floor(99 / (1 - rolls[1]))))
local elapsed_ms = math.max(0, now_ms - crash_started_at_ms)
local reached = math.min(crash_cap_m100, math.floor(100 * math.exp(crash_growth_ppm * elapsed_ms / 1000000000)))
local outcome, paid_m100 = 0, 0
-- A target is at least 1.01, so a round that crashes at 1.00 never gets there.
if reached >= crash_target_m100 and crash_target_m100 <= crash_point then
  outcome, paid_m100 = 2, crash_target_m100
elseif reached > crash_point or crash_point == 100 then
  outcome = 3
end
