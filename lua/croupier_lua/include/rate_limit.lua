-- Stage: the rate limits of a scope, exact to the call: so many in any second, so many in any 60 s. The log is a ring of
-- times behind the record, 4 bytes each, in ms modulo 2^32. What is refused, for whatever reason, is not counted.
-- @arg rate_second  int   calls let through in any second, at most `rate_minute`
-- @arg rate_minute  int   calls let through in any 60 s, and the length of the ring
-- @arg rate_shadow  int   1: let every call through, and only say what would be refused
-- @error RATE_LIMITED wait_ms window_s

local rate_now_ms, rate_slot, rate_blocked, rate_before = now_ms, nil, 0, nil
local rate_back_ms = <record>_rate_at_ms - now_ms
if rate_back_ms >= 60000 or rate_back_ms <= -60000 then
  <record>_rate_next, <record>_rate_count = 0, 0
elseif rate_back_ms > 0 then
  rate_now_ms = <record>_rate_at_ms
end
if <record>_rate_size ~= rate_minute then
  -- The limit has changed: the newest calls move to the front of a ring of the new length.
  rate_before = {<record>_read, <record>_rewrite, <record>_rate_next, <record>_rate_count, <record>_rate_size}
  local ring = sub(<record>_read, <record>_size() + 1)
  local kept = math.min(<record>_rate_count, rate_minute)
  local first = kept > 0 and (<record>_rate_next - kept) % <record>_rate_size or 0
  ring = sub(ring .. ring, 4 * first + 1, 4 * (first + kept)) .. string.rep('\0', 4 * (rate_minute - kept))
  <record>_read, <record>_rewrite = sub(<record>_read, 1, <record>_size()) .. ring, true
  <record>_rate_next, <record>_rate_count, <record>_rate_size = kept % rate_minute, kept, rate_minute
end

local rate_wait_ms, rate_window_s = 0, 0
if <record>_rate_count >= rate_second then
  local slot = (<record>_rate_next - rate_second) % rate_minute
  local age_ms = (rate_now_ms - struct.unpack('>I4', <record>_read, <record>_size() + 4 * slot + 1)) % 4294967296
  if age_ms < 1000 then rate_wait_ms, rate_window_s = 1000 - age_ms, 1 end
end
if <record>_rate_count == rate_minute then
  local slot = <record>_rate_next
  local age_ms = (rate_now_ms - struct.unpack('>I4', <record>_read, <record>_size() + 4 * slot + 1)) % 4294967296
  if age_ms < 60000 and 60000 - age_ms > rate_wait_ms then rate_wait_ms, rate_window_s = 60000 - age_ms, 60 end
end
if rate_wait_ms == 0 then
  rate_slot, <record>_rate_at_ms = <record>_rate_next, rate_now_ms
  <record>_rate_next = (rate_slot + 1) % rate_minute
  if <record>_rate_count < rate_minute then <record>_rate_count = <record>_rate_count + 1 end
elseif rate_shadow == 1 then
  rate_blocked = 2
  if rate_before then
    <record>_read, <record>_rewrite, <record>_rate_next, <record>_rate_count, <record>_rate_size = unpack(rate_before)
  end
else
  return answer('RATE_LIMITED', string.format('%d', rate_wait_ms + rate_now_ms - now_ms), rate_window_s)
end
