-- Stage: the clock, the deadline, and the first reply to this idempotency key.
-- @key outbox          outbox:<fence>     the partition's events; its name is the fence
-- @key idempotency     idem:<uid>:<key>   `request` and reply of the first call with this idempotency key
-- @arg not_after_ms    int                deadline: later than this nothing is done
-- @arg clock_ms        int                time injected by tests; 0: the server's clock
-- @arg idempotency_ms  int                how long the first reply is kept; 0: without end
-- @arg request         text               16 bytes over command and body, then what the engine wants back with a replay;
--                                         empty: no idempotency key was sent
-- @error FENCED
-- @error EXPIRED now_ms
-- @error REPLAYED first
-- @error IDEMPOTENCY_KEY_REUSED

-- What writes nothing has no XADD that tells whether the caller's view is stale: ask.
local function answer(...)
  if call('EXISTS', outbox_key) == 0 then return {'FENCED'} end
  return {...}
end

local now_ms = clock_ms
if now_ms == 0 then
  local time = call('TIME')
  now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
end
if now_ms > not_after_ms then return {'EXPIRED', string.format('%d', now_ms)} end

if request ~= '' then
  local first = call('GET', idempotency_key)
  if first then
    if sub(first, 1, 16) ~= sub(request, 1, 16) then return answer('IDEMPOTENCY_KEY_REUSED') end
    return answer('REPLAYED', sub(first, 17))
  end
end
