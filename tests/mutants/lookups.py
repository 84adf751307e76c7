"""Faults in what is said of an attempt, and in the transport, which must not make two of one."""

from tests.mutants.mutation import Mutation

_OPS = "engine/croupier/ops.py"
_CLIENT = "engine/croupier/transport/client.py"
_ASKED = ("tests/sync/test_ops.py",)
_SEALED = ("tests/sync/test_ops_sealed.py",)
_ON_ITS_WAY = ("tests/commands/test_ops.py",)
_REPEATS = ("tests/transport/test_repeats.py",)

MUTATIONS = (
    Mutation(
        "not-applied-said-of-a-call-in-a-socket",
        "a call lies in a socket, 'not applied' is said of it, and then it runs",
        "lua/croupier_lua/include/gate.lua",
        "if now_ms > not_after_ms then",
        "if now_ms > not_after_ms + 60000 then",
        _ON_ITS_WAY,
        "a_pull_on_its_way",
    ),
    Mutation(
        "deadline-without-the-id",
        "the deadline is made anew at each try, and a call outlives the time that its id names",
        "engine/croupier/calls.py",
        "not_after_ms = min(not_after_ms, made_ms(context.caller.op_id) + OP_LIFETIME_MS)",
        "not_after_ms += 60_000",
        _ON_ITS_WAY,
        "a_pull_on_its_way",
    ),
    Mutation(
        "not-applied-said-too-soon",
        "an attempt runs during the looks, its time ends before the last of them, and 'not applied' is said",
        _OPS,
        "and before.now_ms > made_ms(op_id) + OP_LIFETIME_MS",
        "and after.now_ms > made_ms(op_id) + OP_LIFETIME_MS",
        _ASKED,
        "an_attempt_runs_and_its_time_ends",
    ),
    Mutation(
        "postgres-asked-before-the-outbox",
        "an event slips from the outbox to Postgres between the two looks, and neither finds it",
        _OPS,
        "        scan = await _scan(engine, partition, before.head, op_id, cursor) if before else _NOT_SCANNED\n"
        "        row = await _row(pool, _EVENT, partition, op_id)\n",
        "        row = await _row(pool, _EVENT, partition, op_id)\n"
        "        scan = await _scan(engine, partition, before.head, op_id, cursor) if before else _NOT_SCANNED\n",
        _ASKED,
        "takes_and_trims_between_two_looks",
    ),
    Mutation(
        "superseded-outbox-believed",
        "another server has the next epoch, and what this one's outbox holds or lacks is told as the truth",
        _OPS,
        "found = None if superseded else scan.found",
        "found = None if superseded and row is None else scan.found",
        _ASKED,
        "another_server_has_the_next_epoch",
    ),
    Mutation(
        "foreign-outbox-believed",
        "the outbox does not reach back to the event at which Postgres stands, and 'not applied' is said all the same",
        _OPS,
        "return (event.id.epoch, event.id.seq, event.header.op_id) == tuple(cursor)",
        "return event.id.epoch == cursor[0]",
        _ASKED,
        "an_outbox_that_does_not_fit_postgres",
    ),
    Mutation(
        "not-applied-said-in-an-open-epoch",
        "a call lies in a socket, its epoch goes on, and 'not applied' is said as if the epoch were sealed",
        _OPS,
        'if epoch is not None and row["log_epoch"] > epoch:',
        'if epoch is not None and row["log_epoch"] >= epoch:',
        _SEALED,
        "a_call_still_in_a_socket",
    ),
    Mutation(
        "not-applied-shown-by-an-event-too-early",
        "the log goes on after an attempt was made, and 'not applied' is said while it may still run",
        _OPS,
        'made_ms(op_id) + OP_LIFETIME_MS < row["log_ms"] <= now_ms',
        'made_ms(op_id) < row["log_ms"] <= now_ms',
        _SEALED,
        "redis_is_away_and_a_log",
    ),
    Mutation(
        "not-applied-shown-by-a-clock-that-went-back",
        "the clock jumps ahead and back, and every attempt made since is said to be not applied",
        _OPS,
        'made_ms(op_id) + OP_LIFETIME_MS < row["log_ms"] <= now_ms',
        'made_ms(op_id) + OP_LIFETIME_MS < row["log_ms"]',
        _SEALED,
        "a_clock_that_jumped_ahead_and_back",
    ),
    Mutation(
        "not-applied-said-before-an-adoption",
        "a restore skips epochs, 'not applied' is said, and then an adoption brings the event in",
        _OPS,
        'if epoch is not None and row["log_epoch"] > epoch:',
        'if epoch is not None and row["taken_epoch"] > epoch:',
        _SEALED,
        "an_adoption_may_still_bring_the_event",
    ),
    Mutation(
        "not-applied-said-of-what-an-adoption-left-out",
        "an attempt's event is one of those that an adoption lost, and 'not applied' is said of it",
        _OPS,
        'return row["gap_ms"] is not None and made_ms(op_id) - OP_LIFETIME_MS <= row["gap_ms"]',
        "return False",
        _SEALED,
        "an_adoption_left_out",
    ),
    Mutation(
        "blind-retry",
        "a connection is lost after a call was written, and the call is sent once more",
        _CLIENT,
        "            return await self.send(*args, timeout_s=timeout_s)\n",
        "            try:\n"
        "                return await self.send(*args, timeout_s=timeout_s)\n"
        "            except OutcomeUnknown:\n"
        "                await self._is_connected_by(deadline_s)\n"
        "                return await self.send(*args, timeout_s=timeout_s)\n",
        _REPEATS,
        "a_connection_lost_after_the_write",
    ),
    Mutation(
        "script-on-another-server",
        "a script with the arguments for one server runs on the one that the transport has connected to since",
        _CLIENT,
        "        if connection_number not in (None, self.connection_number):\n",
        "        if connection_number == 0:\n",
        _REPEATS,
        "a_script_bound_to_a_connection",
    ),
)
