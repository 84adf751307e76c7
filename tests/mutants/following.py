"""Faults in the daemon: reading the outbox, taking a batch, trimming, projections, and whose Postgres it is."""

from tests.mutants.mutation import Mutation

_FOLLOWING = "sync/croupier_sync/following.py"
_OUTBOX = "sync/croupier_sync/outbox.py"
_POSITION = "sync/croupier_sync/position.py"
_TABLES = "sync/croupier_sync/tables.py"
_FOLLOWED = ("tests/sync/test_following.py",)
_ALARMS = ("tests/sync/test_alarms.py",)
_HEALED = ("tests/sync/test_healing.py",)
_LETTERS = ("tests/sync/test_dead_letters.py",)

MUTATIONS = (
    Mutation(
        "trimmed-before-the-commit",
        "entries leave the outbox before Postgres has committed them, which then refuses them",
        _FOLLOWING,
        "                        position = await write(",
        '                        await self._server.call("XTRIM", self._stream, "MINID", events[-1].id.entry)\n'
        "                        position = await write(",
        ("tests/sync/test_load.py",),
        "a_postgres_that_is_full",
    ),
    Mutation(
        "trimmed-beyond-the-cursor",
        "the outbox is cut to its newest entries, whether Postgres has the others or not",
        _OUTBOX,
        '"XTRIM", stream, "MINID", f"{oldest[\'epoch\']}-{oldest[\'seq\']}"',
        '"XTRIM", stream, "MAXLEN", kept',
        _FOLLOWED,
        "nothing_beyond_the_cursor_goes",
    ),
    Mutation(
        "read-ahead-from-the-wrong-place",
        "what is read while a batch is under way begins at that batch again",
        _FOLLOWING,
        "self._read_ahead(position.after(events), digest)",
        "self._read_ahead(position, digest)",
        _FOLLOWED,
        "nothing_beyond_the_cursor_goes",
    ),
    Mutation(
        "cursor-set-without-comparing",
        "a daemon that slept commits what another one has committed already",
        _POSITION,
        "  AND (epoch, seq, op_id) IS NOT DISTINCT FROM ($2::bigint, $3::bigint, $4::bytea)\n"
        "  AND taken_epoch <= $5\n",
        "  AND ($2::bigint, $3::bigint, $4::bytea) IS NOT DISTINCT FROM ($2, $3, $4)\n  AND taken_epoch <= $5\n",
        _FOLLOWED,
        "that_slept_after_reading",
    ),
    Mutation(
        "batch-in-flight-into-a-sealed-epoch",
        "a batch was on its way while the healer took the next epoch, and is committed behind its back",
        _POSITION,
        "  AND taken_epoch <= $5\n",
        "",
        _HEALED,
        "events_of_a_sealed_epoch",
    ),
    Mutation(
        "gap-passed-over",
        "an event is missing in the outbox, and the daemon goes on behind it",
        _OUTBOX,
        "        if event.id.seq != (seq + 1 if",
        "        if event.id.seq < (seq + 1 if",
        _ALARMS,
        "an_event_missing_among_those_to_come",
    ),
    Mutation(
        "fork-followed",
        "another event has the id at which Postgres stands, and the daemon goes on from it",
        _OUTBOX,
        "elif events.pop(0).header.op_id != cursor.op_id:",
        "elif events.pop(0).id.seq != cursor.seq:",
        _HEALED,
        "a_log_that_is_not_postgres",
    ),
    Mutation(
        "older-postgres-accepted",
        "Postgres is an old copy, and Redis with all that happened since is made from it",
        _OUTBOX,
        '            "postgres_old",\n',
        '            "redis_behind",\n',
        _ALARMS,
        "a_postgres_older_than_the_trimmed_outbox",
    ),
    Mutation(
        "empty-postgres-accepted",
        "Postgres is an empty one, and the events of the one before are taken for the first there are",
        _OUTBOX,
        "if events and (events[0].id.seq != 0 or events[0].id.epoch > position.taken_epoch):",
        "if events and events[0].id.seq != 0:",
        _ALARMS,
        "an_empty_postgres_and_a_redis_with_events",
    ),
    Mutation(
        "wrong-postgres-accepted",
        "DATABASE_URL names the Postgres of another installation, and Redis is made from that",
        "sync/croupier_sync/installation.py",
        "if head is None or head.installation == self.id:",
        "if head is None or head.installation:",
        _ALARMS,
        "the_redis_of_another_installation",
    ),
    Mutation(
        "two-script-versions-at-once",
        "scripts of an older version write to a partition that asks for a newer one",
        "engine/croupier/partition.py",
        "    if head.schema > croupier_lua.RULES:\n",
        "    if head.schema < croupier_lua.RULES:\n",
        _ALARMS,
        "a_head_of_newer_scripts",
    ),
    Mutation(
        "clock-set-back-accepted",
        "a server is opened whose clock is behind the last event, and times of events go back",
        "sync/croupier_sync/opening.py",
        "if position.cursor is not None and now_ms < position.cursor.ts_ms:",
        "if position.cursor is not None and now_ms < 0:",
        _ALARMS,
        "a_clock_behind_the_last_event",
    ),
    Mutation(
        "dead-letter-overwrites-the-day",
        "an event that was a dead letter comes late, and takes the pulls left back to where they were",
        _TABLES,
        "WHERE (d.epoch, d.seq) < (excluded.epoch, excluded.seq)\n",
        "",
        _LETTERS,
        "then_all_is_as_if_nothing_had",
    ),
    Mutation(
        "dead-letter-reopens-a-round",
        "a bet that was a dead letter comes after its round's settlement, and the round is open again",
        _TABLES,
        "WHERE c.status = 'active'\n",
        "",
        _LETTERS,
        "a_bet_among_the_dead_letters",
    ),
    Mutation(
        "dead-letter-written-twice",
        "a dead letter is replayed, stays where it is, and is counted again the next time",
        "sync/croupier_sync/dead_letters.py",
        '_REMOVE = f"DELETE FROM projection_failures {_PLACE} RETURNING true"',
        '_REMOVE = f"SELECT true FROM projection_failures {_PLACE}"',
        _LETTERS,
        "then_all_is_as_if_nothing_had",
    ),
    Mutation(
        "failed-projection-forgotten",
        "an event cannot be projected, and nothing remembers that its rows are missing",
        "sync/croupier_sync/projector.py",
        "                failures.append(_Failure(event.id, event.header.type, error))\n",
        '                log.error("not projected", error=repr(error))\n',
        ("tests/sync/test_projections_games.py",),
        "a_round_that_cannot_be_read",
    ),
    Mutation(
        "full-postgres-taken-for-bad-rows",
        "Postgres has no room, and good rows are buried as dead letters rather than written later",
        "sync/croupier_sync/projector.py",
        "TABLE_REFUSES = (*REFUSED, asyncpg.SyntaxOrAccessError, ",
        "TABLE_REFUSES = (*REFUSED, asyncpg.SyntaxOrAccessError, asyncpg.DiskFullError, ",
        ("tests/sync/test_load.py",),
        "a_postgres_that_is_full",
    ),
)
