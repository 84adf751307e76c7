-- Take the sweeper's lease where nobody has it, and keep it where it is the caller's own. Rounds end when memory is full
-- too, and nobody would settle them without it.
-- @flag  allow-oom
-- @key   lease      sweeper   the token of the worker that sweeps
-- @arg   lease_ms   int       how long it is kept from now on
-- @arg   token      text      the caller's

local holder = call('GET', lease_key)
if holder and holder ~= token then return 0 end
call('SET', lease_key, token, 'PX', lease_ms)
return 1
