"""Faults in what is acknowledged: strict commands, what is done once for ever, and a seed that is revealed."""

from tests.mutants.mutation import Mutation

_DURABILITY = "engine/croupier/durability.py"
_ENGINE = "engine/croupier/engine.py"
_STRICT = ("tests/sync/test_strict.py",)
_REWARDS = ("tests/sync/test_rewards.py",)

MUTATIONS = (
    Mutation(
        "strict-released-by-a-later-cursor",
        "Postgres is beyond the event's place, its event was lost all the same, and its caller hears that it stands",
        _DURABILITY,
        'if row["op_id"] == waiter.op_id:',
        'if row["op_id"] == waiter.op_id or self._is_noticed(waiter):',
        _STRICT,
        "a_cursor_beyond_it",
    ),
    Mutation(
        "strict-released-by-another-event",
        "after a heal another event has the id that the lost one had, and the caller of the lost one is released by it",
        _DURABILITY,
        'if row["op_id"] == waiter.op_id:',
        'if row["op_id"] is not None:',
        _STRICT,
        "another_event_under_its_id",
    ),
    Mutation(
        "strict-waits-for-a-sealed-epoch",
        "the epoch is sealed without the event, and its caller is left in doubt rather than told that nothing stands",
        _DURABILITY,
        'elif row["op_id"] is not None or row["sealed"]:',
        'elif row["op_id"] is not None:',
        _STRICT,
        "an_epoch_that_is_sealed_without_it",
    ),
    Mutation(
        "strict-acknowledged-early",
        "a strict command is answered before Postgres has its event",
        _ENGINE,
        "            await self._make_durable(done)\n",
        "            pass\n",
        _STRICT,
        "strict_for_all",
    ),
    Mutation(
        "strict-retry-answered-from-redis",
        "a command was answered with DURABILITY_TIMEOUT, and its repetition is answered from Redis alone",
        _ENGINE,
        "if done.event is not None and command.waits_for_postgres",
        "if done.event is not None and not done.replayed and command.waits_for_postgres",
        _STRICT,
        "strict_for_all",
    ),
    Mutation(
        "notice-lost-in-a-reconnect",
        "a notice was published while nobody listened, and nobody asks when listening begins again",
        _DURABILITY,
        "            heard, lambda _channel: self._worth_asking.set()\n",
        "            heard, lambda _channel: None\n",
        _STRICT,
        "a_notice_lost_with_the_connection",
    ),
    Mutation(
        "notice-before-the-reply",
        "the daemon is faster than the script's reply, and its notice is forgotten by the time somebody waits",
        _DURABILITY,
        "elif self._is_noticed(waiter):",
        "elif False:",
        _STRICT,
        "a_notice_that_came_before_the_reply",
    ),
    Mutation(
        "notice-never-sent",
        "the daemon does not tell how far Postgres has come, and every strict command waits for the next poll",
        "sync/croupier_sync/following.py",
        "                        self._tell(position),\n",
        "",
        _STRICT,
        "its_notices_alone_release_them",
    ),
    Mutation(
        "reward-key-expires-before-it-is-synced",
        "the daemon is down for longer than a key is kept, and a repeated reward is granted again",
        _ENGINE,
        "            0 if command.forever_key else self.settings.idempotency_ttl_seconds * 1000,\n",
        "            self.settings.idempotency_ttl_seconds * 1000,\n",
        _REWARDS,
        "a_daemon_down_longer_than_any_ttl",
    ),
    Mutation(
        "reward-key-expires-under-a-command",
        "a grant did not find the event in Postgres just before it came, nor the key in Redis just after it went",
        "sync/croupier_sync/once.py",
        "max(int(kept_s * 1000), OP_LIFETIME_MS)",
        "int(kept_s * 1000)",
        _REWARDS,
        "the_key_outlives_every_command_begun_before",
    ),
    Mutation(
        "reward-looked-up-only-once",
        "Redis loses a key between the look in Postgres and the script, which then runs under the healed partition",
        _ENGINE,
        "and view is not looked_under:",
        "and looked_under is None:",
        _REWARDS,
        "loses_the_key_after_the_look",
    ),
    Mutation(
        "revealed-seed-current-again",
        "a rotation is acknowledged before anything keeps it, is lost, and the revealed seed is the player's once more",
        "engine/croupier/fairness/rotate.py",
        "    strict=lambda _settings: True,\n",
        "",
        ("tests/commands/test_fairness_rotate.py",),
        "no_postgres_when_a_rotation_was_lost",
    ),
)
