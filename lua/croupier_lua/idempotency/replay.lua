-- Answer the first reply to an idempotency key, for a request that the rules of today would not even let begin.
-- @error NOTHING_KEPT

-- @stage gate
return refuse('NOTHING_KEPT')
