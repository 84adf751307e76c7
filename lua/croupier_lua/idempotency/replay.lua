-- What comes before the rules of a game, for a request that the economy does not even let begin: is the caller's view of
-- the economy the one in force, was this done before under the same key, may the player act at all, and now?
-- @flag  allow-oom
-- @error NOTHING_KEPT

-- @stage gate
-- @stage player
-- @stage ban
-- @stage exclusion
-- @stage rate_limit player
return answer('NOTHING_KEPT')
