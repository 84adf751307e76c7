"""Faults in the scripts: fence, idempotency, the order of writes, and the rules of the games."""

from tests.mutants.mutation import Mutation

_INCLUDE = "lua/croupier_lua/include"
_FENCE = ("tests/commands/test_gacha_pull_fence.py",)
_KEYS = ("tests/commands/test_gacha_pull_idempotency.py",)
_ROOM = ("tests/http/test_room.py",)
_LIMITS = ("tests/commands/test_rate_limit.py",)

MUTATIONS = (
    Mutation(
        "write-order-swapped",
        "state is written before the event, which the fence then refuses: a pull that no log knows",
        "lua/croupier_lua/gacha/pull.lua",
        "-- @stage commit\n-- @stage save_rated player\n",
        "-- @stage save_rated player\n-- @stage commit\n",
        _FENCE,
        "not_one_byte_changes",
    ),
    Mutation(
        "outbox-made-by-a-stale-command",
        "a command with a stale view makes the outbox it names, and writes on a log that nobody follows",
        f"{_INCLUDE}/commit.lua",
        "id = call('XADD', outbox_key, 'NOMKSTREAM', entry, 'h', header, 'b', body)\n",
        "id = call('XADD', outbox_key, entry, 'h', header, 'b', body)\n",
        _FENCE,
        "not_one_byte_changes",
    ),
    Mutation(
        "refused-under-a-stale-view",
        "a command is refused by an economy that is no longer in force",
        f"{_INCLUDE}/gate.lua",
        "  if call('EXISTS', outbox_key) == 0 then return {'FENCED'} end\n",
        "",
        _FENCE,
        "it_says_fenced_instead",
    ),
    Mutation(
        "dedup-dropped",
        "a repeated request is done again",
        f"{_INCLUDE}/gate.lua",
        "  if first then\n",
        "  if false then\n",
        _KEYS,
        "when_100_requests_race",
    ),
    Mutation(
        "first-reply-not-kept",
        "a command is done and nothing is kept under its key",
        f"{_INCLUDE}/commit.lua",
        "if request ~= '' then\n",
        "if false then\n",
        _KEYS,
        "when_100_requests_race",
    ),
    Mutation(
        "key-of-another-request-answered",
        "a used key with another request is answered as if it were the first one",
        f"{_INCLUDE}/gate.lua",
        "    if sub(first, 1, 16) ~= sub(request, 1, 16) then return answer('IDEMPOTENCY_KEY_REUSED') end\n",
        "",
        _KEYS,
        "the_request_differs",
    ),
    Mutation(
        "refused-command-writes",
        "a bet is refused for want of tokens, and leaves the record of a player behind that no event made",
        f"{_INCLUDE}/stake.lua",
        "if player_tokens < bet then return",
        "if player_tokens < bet then call('SET', player_key, player_pack() .. player_pack_volatile()) return",
        ("tests/commands/test_slot_rps_refusals.py",),
        "the_bet_is_more_than_the_beginnings",
    ),
    Mutation(
        "crash-settles-twice",
        "a settled round stays open, and is paid again",
        f"{_INCLUDE}/crash_settle.lua",
        "crash_game, crash_bet, crash_target_m100, crash_cap_m100 = string.rep('\\0', 16), 0, 0, 0\n"
        "crash_growth_ppm, crash_started_at_ms, crash_nonce = 0, 0, 0\n"
        "player_tokens, player_payout_max = player_tokens + payout, 0\n",
        "player_tokens = player_tokens + payout\n",
        ("tests/commands/test_crash_races.py",),
        "the_two_orders",
    ),
    Mutation(
        "payout-max-not-reset",
        "what an open bet may pay stays set aside after its round, so the player can never bet again",
        f"{_INCLUDE}/crash_settle.lua",
        "player_tokens, player_payout_max = player_tokens + payout, 0\n",
        "player_tokens = player_tokens + payout\n",
        ("tests/commands/test_crash_settle.py",),
        "it_is_as_it_ended_however_late",
    ),
    Mutation(
        "paid-beyond-the-crash",
        "a round that crashed one hundredth below its target is paid",
        f"{_INCLUDE}/crash_judge.lua",
        "crash_target_m100 <= crash_point then",
        "crash_target_m100 <= crash_point + 1 then",
        ("tests/commands/test_crash_cashout.py",),
        "a_crash_just_below_the_target",
    ),
    Mutation(
        "second-bet-beside-an-open-one",
        "a second bet takes the place of an open one, whose stake is gone",
        "lua/croupier_lua/crash/bet.lua",
        "if player_payout_max > 0 then return answer('CRASH_BET_ACTIVE') end\n",
        "",
        ("tests/commands/test_crash_bet.py",),
        "an_open_bet_when_another_one_is_placed",
    ),
    Mutation(
        "cash-out-refused-for-want-of-memory",
        "Redis is full, and refuses the cash-out of a player who then loses the bet",
        "engine/croupier/scripts.py",
        """flags = f" flags={','.join(own.flags)}" if own.flags else \"\"""",
        'flags = ""',
        _ROOM,
        "nearly_or_over_full",
    ),
    Mutation(
        "sweeper-stops-for-want-of-memory",
        "Redis is full, no worker gets the lease, and rounds that are over are settled by nobody",
        "lua/croupier_lua/sweeper/lead.lua",
        "-- @flag  allow-oom\n",
        "",
        _ROOM,
        "the_sweeper_settles_it",
    ),
    Mutation(
        "rate-limit-off-by-one",
        "one more call a second is let through than the limit says",
        f"{_INCLUDE}/rate_limit.lua",
        "if <record>_rate_count >= rate_second then\n"
        "  local slot = (<record>_rate_next - rate_second) % <record>_rate_size\n",
        "if <record>_rate_count > rate_second then\n"
        "  local slot = (<record>_rate_next - rate_second - 1) % <record>_rate_size\n",
        _LIMITS,
        "a_limit_of_10_when_1000_call_at_once",
    ),
    Mutation(
        "rate-log-stays-short",
        "the log never grows beyond eight calls, so that a busy minute is forgotten before it is over",
        f"{_INCLUDE}/rate_limit.lua",
        "math.min(math.max(8, 2 * <record>_rate_size), rate_minute)",
        "math.min(8, rate_minute)",
        _LIMITS,
        "a_busy_minute_when_the_log_is_full",
    ),
    Mutation(
        "rate-window-short-by-1-ms",
        "a call makes room one millisecond before its second is over",
        f"{_INCLUDE}/rate_limit.lua",
        "  if age_ms < 1000 then rate_wait_ms, rate_window_s = 1000 - age_ms, 1 end\n",
        "  if age_ms < 999 then rate_wait_ms, rate_window_s = 1000 - age_ms, 1 end\n",
        _LIMITS,
        "a_full_second_when_it_slides",
    ),
    Mutation(
        "stock-oversold",
        "the last unit of a pool is given away twice",
        "lua/croupier_lua/gacha/pull.lua",
        "    if draw_stock > 0 then\n",
        "    if draw_stock >= 0 then\n",
        ("tests/commands/test_gacha_pull_stock.py",),
        "the_last_5_when_500_pull_at_once",
    ),
)
