-- Stage: the rate limits of a scope, exact to the call: so many in any second, so many in any 60 s. The log is a ring of
-- times behind the record, 4 bytes each, in ms modulo 2^32; it is as long as the busiest minute so far has needed. What is
-- refused, for whatever reason, is not counted.
-- @arg rate_second  int   calls let through in any second, at most `rate_minute`
-- @arg rate_minute  int   calls let through in any 60 s
-- @arg rate_shadow  int   1: let every call through, and only say what would be refused
-- @error RATE_LIMITED wait_ms window_s

local rate_now_ms, rate_slot, rate_blocked = now_ms, nil, 0
local rate_back_ms = <record>_rate_at_ms - now_ms
if rate_back_ms >= 60000 or rate_back_ms <= -60000 then
  <record>_rate_next, <record>_rate_count = 0, 0
elseif rate_back_ms > 0 then
  rate_now_ms = <record>_rate_at_ms
end

local rate_wait_ms, rate_window_s = 0, 0
if <record>_rate_count >= rate_second then
  local slot = (<record>_rate_next - rate_second) % <record>_rate_size
  local age_ms = (rate_now_ms - struct.unpack('>I4', <record>_read, <record>_size() + 4 * slot + 1)) % 4294967296
  if age_ms < 1000 then rate_wait_ms, rate_window_s = 1000 - age_ms, 1 end
end
if <record>_rate_count >= rate_minute then
  local slot = (<record>_rate_next - rate_minute) % <record>_rate_size
  local age_ms = (rate_now_ms - struct.unpack('>I4', <record>_read, <record>_size() + 4 * slot + 1)) % 4294967296
  if age_ms < 60000 and 60000 - age_ms > rate_wait_ms then rate_wait_ms, rate_window_s = 60000 - age_ms, 60 end
end
if rate_wait_ms > 0 and rate_shadow == 0 then
  return answer('RATE_LIMITED', string.format('%d', rate_wait_ms + rate_now_ms - now_ms), rate_window_s)
elseif rate_wait_ms > 0 then
  rate_blocked = 2
else
  if <record>_rate_count == <record>_rate_size and <record>_rate_size < rate_minute then
    -- The ring is full. Where its oldest call may still count, it grows, the oldest call first.
    local ring, oldest = sub(<record>_read, <record>_size() + 1), 4 * <record>_rate_next
    if ring == '' or (rate_now_ms - struct.unpack('>I4', ring, oldest + 1)) % 4294967296 < 60000 then
      <record>_rate_next, <record>_rate_size = <record>_rate_size, math.min(math.max(8, 2 * <record>_rate_size), rate_minute)
      ring = sub(ring, oldest + 1) .. sub(ring, 1, oldest) .. string.rep('\0', 4 * (<record>_rate_size - <record>_rate_next))
      <record>_read, <record>_rewrite = sub(<record>_read, 1, <record>_size()) .. ring, true
    end
  end
  rate_slot, <record>_rate_at_ms = <record>_rate_next, rate_now_ms
  <record>_rate_next = (rate_slot + 1) % <record>_rate_size
  if <record>_rate_count < <record>_rate_size then <record>_rate_count = <record>_rate_count + 1 end
end
