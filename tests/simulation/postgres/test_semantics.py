"""What a Postgres promises to its clients, asked of the real one and of the model: transactions, locks, errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from croupier_sync import dead_letters, outbox, position, status
from croupier_sync.errors import Superseded
from croupier_sync.position import Position, read_position, take_epoch
from croupier_sync.postgres import end_silent_owner, try_lock
from croupier_sync.status import Status, record
from tests.simulation.postgres.schema import TABLES
from tests.simulation.postgres.sides import Side, model_side, real_side

EMPTY = Position(0, None, 0, "")
FAILURE = (0, 1, 7, "slot.spun", "ValueError()")
COLUMNS = ("partition", "epoch", "seq", "projection", "error")


@pytest.fixture(params=["model", "real"])
async def side(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Side]:
    if request.param == "model":
        yield model_side()
        return
    async with real_side(database_url) as real:
        yield real


async def copy(connection: Any, *rows: tuple[Any, ...]) -> None:
    await connection.copy_records_to_table("projection_failures", records=iter(rows), columns=COLUMNS)


async def failures(side: Side) -> list[int]:
    return [row["seq"] for row in await side.rows("projection_failures")]


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.005)


async def test_given_the_migrations_when_compared_then_the_model_has_the_same_columns_keys_and_constraints(
    database_url: str,
) -> None:
    async with real_side(database_url) as real:
        connection = await real.connect()
        for table in TABLES.values():
            columns = await connection.fetch(
                "SELECT column_name, is_nullable, column_default FROM information_schema.columns"
                " WHERE table_name = $1 ORDER BY ordinal_position",
                table.name,
            )
            assert tuple(row["column_name"] for row in columns) == table.columns
            assert {row["column_name"] for row in columns if row["is_nullable"] == "YES"} == table.nullable
            assert {row["column_name"] for row in columns if row["column_default"]} == table.defaults.keys()
            constraints = await connection.fetch(
                "SELECT conname FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'",
                table.name,
            )
            skipped = {"installation_only_row_check", "installation_partitions_check"}
            assert {row["conname"] for row in constraints} - skipped == table.checks.keys()
            key = await connection.fetchval(
                "SELECT array_agg(attname::text ORDER BY array_position(indkey::int[], attnum::int)) FROM pg_index"
                " JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)"
                " WHERE indrelid = $1::regclass AND indisprimary",
                table.name,
            )
            assert tuple(key) == table.key


async def test_given_a_transaction_when_it_is_not_committed_then_nobody_else_sees_it(side: Side) -> None:
    one, other = await side.connect(), await side.connect()
    with suppress(ZeroDivisionError):
        async with one.transaction():
            await take_epoch(one, EMPTY, "a")
            assert (await read_position(one, 0)).taken_epoch == 1
            assert (await read_position(other, 0)).taken_epoch == 0
            raise ZeroDivisionError
    assert await read_position(one, 0) == await read_position(other, 0) == EMPTY


async def test_given_two_that_move_the_same_row_when_the_first_commits_then_the_second_has_waited_and_loses(
    side: Side,
) -> None:
    one, other = await side.connect(), await side.connect()
    async with one.transaction():
        await take_epoch(one, EMPTY, "a")
        second = asyncio.create_task(take_epoch(other, EMPTY, "b"))
        await asyncio.wait({second}, timeout=0.1)
        assert not second.done()
    with pytest.raises(Superseded):
        await second
    assert await read_position(other, 0) == Position(0, None, 1, "a")


async def test_given_two_that_move_the_same_row_when_the_first_rolls_back_then_the_second_wins(
    side: Side,
) -> None:
    one, other = await side.connect(), await side.connect()
    with suppress(ZeroDivisionError):
        async with one.transaction():
            await take_epoch(one, EMPTY, "a")
            second = asyncio.create_task(take_epoch(other, EMPTY, "b"))
            await asyncio.wait({second}, timeout=0.1)
            raise ZeroDivisionError
    assert await second == 1
    assert await read_position(one, 0) == Position(0, None, 1, "b")


async def test_given_a_row_that_does_not_match_when_it_is_locked_then_nobody_waits_for_it(side: Side) -> None:
    one, other = await side.connect(), await side.connect()
    async with one.transaction():
        await take_epoch(one, EMPTY, "a")
        with pytest.raises(Superseded):
            await asyncio.wait_for(take_epoch(other, EMPTY._replace(taken_epoch=9), "b"), timeout=10)


async def test_given_a_key_that_another_one_has_inserted_when_that_commits_then_the_second_is_refused(
    side: Side,
) -> None:
    one, other = await side.connect(), await side.connect()
    async with one.transaction():
        await copy(one, FAILURE)
        second = asyncio.create_task(copy(other, FAILURE))
        await asyncio.wait({second}, timeout=0.1)
        assert not second.done()
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await second
    assert (
        refused.value.detail == "Key (partition, epoch, seq, projection)=(0, 1, 7, slot.spun) already exists."
    )


async def test_given_a_refused_statement_when_the_transaction_goes_on_then_it_refuses_everything(
    side: Side,
) -> None:
    connection = await side.connect()
    await copy(connection, FAILURE)

    async def both_or_none() -> None:
        async with connection.transaction():
            await record(connection, Status(0, reason="lost"))
            await copy(connection, (*FAILURE[:2], 8, *FAILURE[3:]), FAILURE)

    with pytest.raises(asyncpg.UniqueViolationError):
        await both_or_none()
    async with connection.transaction():
        with pytest.raises(asyncpg.UniqueViolationError):
            await copy(connection, FAILURE)
        for _ in range(2):
            with pytest.raises(asyncpg.InFailedSQLTransactionError):
                await read_position(connection, 0)
        with pytest.raises(asyncpg.InFailedSQLTransactionError):
            await copy(connection, FAILURE)
    assert await failures(side) == [7]  # the COMMIT of a failed transaction is no error, and does nothing
    assert (await side.rows("partitions"))[0]["reason"] == ""


async def test_given_savepoints_when_one_fails_then_what_was_before_it_and_after_it_stays(side: Side) -> None:
    connection, other = await side.connect(), await side.connect()

    async def nested() -> None:
        async with connection.transaction():
            async with connection.transaction():
                await record(connection, Status(0, reason="undone"))
            await copy(connection, FAILURE)

    async with connection.transaction():
        await copy(connection, FAILURE)
        with pytest.raises(asyncpg.UniqueViolationError):
            await nested()
        async with connection.transaction():
            await copy(connection, (*FAILURE[:2], 8, *FAILURE[3:]))
        # What was locked after the savepoint is free.
        await asyncio.wait_for(record(other, Status(0, reason="free")), timeout=10)
    assert await failures(side) == [7, 8]
    assert (await side.rows("partitions"))[0]["reason"] == "free"


async def test_given_two_that_wait_for_each_other_when_neither_can_go_on_then_one_is_refused(
    side: Side,
) -> None:
    one, other = await side.connect(), await side.connect()
    await copy(one, FAILURE)

    async def both(connection: Any, first: Any, second: Any) -> str:
        try:
            async with connection.transaction():
                await first(connection)
                await met.wait()
                await second(connection)
        except asyncpg.DeadlockDetectedError:
            return "deadlock"
        return "done"

    async def failed_again(connection: Any) -> None:
        await connection.execute(dead_letters._FAILED_AGAIN, *FAILURE)
        ready.release()

    async def status_written(connection: Any) -> None:
        await record(connection, Status(0))
        ready.release()

    met, ready = asyncio.Event(), asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(both(one, failed_again, status_written)),
        asyncio.create_task(both(other, status_written, failed_again)),
    ]
    for _ in tasks:
        await asyncio.wait_for(ready.acquire(), timeout=10)
    met.set()
    assert sorted(await asyncio.gather(*tasks)) == ["deadlock", "done"]


async def test_given_a_wait_that_takes_too_long_when_its_time_is_over_then_only_that_transaction_fails(
    side: Side,
) -> None:
    one, other = await side.connect(), await side.connect()
    async with one.transaction():
        await take_epoch(one, EMPTY, "a")
        async with other.transaction():
            await copy(other, FAILURE)
            with pytest.raises(TimeoutError):
                await other.fetchval(position._TAKE_EPOCH, *EMPTY.compared, 0, "b", 0, timeout=0.05)
            with pytest.raises(asyncpg.InFailedSQLTransactionError):
                await read_position(other, 0)
    assert await failures(side) == []
    assert (await read_position(other, 0)).taken_identity == "a"


async def test_given_a_wait_that_is_cancelled_when_its_connection_is_used_again_then_nothing_was_done(
    side: Side,
) -> None:
    one, other = await side.connect(), await side.connect()
    async with one.transaction():
        await take_epoch(one, EMPTY, "a")
        waiting = asyncio.create_task(take_epoch(other, EMPTY, "b"))
        await asyncio.wait({waiting}, timeout=0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await read_position(other, 0) == EMPTY
        with suppress(ZeroDivisionError):
            async with one.transaction():
                raise ZeroDivisionError
    assert (await read_position(other, 0)).taken_identity == "a"


async def test_given_a_partition_s_lock_when_its_session_ends_then_another_one_gets_it(side: Side) -> None:
    one, other = await side.connect(), await side.connect()
    assert await try_lock(one, 0)
    assert await try_lock(one, 0)
    assert not await try_lock(other, 0)
    assert await try_lock(other, 1)
    await one.close()

    async def taken() -> bool:
        return await try_lock(other, 0)

    await until(taken)


async def test_given_a_silent_owner_when_it_is_put_out_then_its_batch_is_undone_and_it_notices(
    side: Side,
) -> None:
    one, other = await side.connect(), await side.connect()
    assert await try_lock(one, 0)
    assert not await end_silent_owner(other, 0, 10.0)

    async def noticed() -> bool:
        return bool(one.is_closed())

    async def batch() -> None:
        async with one.transaction():
            await take_epoch(one, EMPTY, "a")
            await asyncio.sleep(0.02)
            assert await end_silent_owner(other, 0, 0.01)
            await until(noticed)
            with pytest.raises(asyncpg.InterfaceError, match="connection is closed"):
                await read_position(one, 0)

    with pytest.raises(asyncpg.InterfaceError, match="the underlying connection is closed"):
        await batch()
    assert await take_epoch(other, EMPTY, "b") == 1

    async def taken() -> bool:
        return await try_lock(other, 0)

    await until(taken)


async def test_given_a_cursor_when_rows_change_then_it_sees_those_of_its_beginning(side: Side) -> None:
    one, other = await side.connect(), await side.connect()
    await copy(one, *((0, 1, seq, "slot.spun", "") for seq in range(5)))
    with pytest.raises(asyncpg.NoActiveSQLTransactionError):
        await one.cursor(dead_letters._LIST)
    async with one.transaction():
        cursor = await one.cursor(dead_letters._LIST)
        assert [row["seq"] for row in await cursor.fetch(2)] == [0, 1]
        await copy(other, (0, 1, 9, "slot.spun", ""))
        assert [row[2] for row in await cursor.fetch(10)] == [2, 3, 4]
        assert await cursor.fetch(10) == []
        assert [row["seq"] async for row in one.cursor(dead_letters._LIST)] == [0, 1, 2, 3, 4, 9]


async def test_given_a_connection_in_use_when_it_is_asked_again_then_refused(side: Side) -> None:
    one, other = await side.connect(), await side.connect()
    async with one.transaction():
        await take_epoch(one, EMPTY, "a")
        waiting = asyncio.create_task(take_epoch(other, EMPTY, "b"))
        await asyncio.wait({waiting}, timeout=0.1)
        with pytest.raises(asyncpg.InterfaceError, match="another operation is in progress"):
            await read_position(other, 0)
    with pytest.raises(Superseded):
        await waiting


async def test_given_a_closed_connection_when_it_is_used_then_an_interface_error(side: Side) -> None:
    connection = await side.connect()
    await connection.close(timeout=1.0)
    await connection.close(timeout=1.0)
    assert connection.is_closed()
    for use in (lambda: read_position(connection, 0), lambda: connection.fetch(outbox._KEPT_FROM, 0, 1)):
        with pytest.raises(asyncpg.InterfaceError, match="connection is closed"):
            await use()
    with pytest.raises(asyncpg.InterfaceError):
        connection.transaction()


async def test_given_rows_when_they_are_read_then_by_name_and_by_position(side: Side) -> None:
    row = await side.pool.fetchrow(position._READ, 0)
    assert (row["taken_epoch"], row[4], row[:2], len(row)) == (0, 0, (None, None), 6)
    assert list(row) == [None, None, None, None, 0, ""]
    assert ("epoch" in row, "none" in row, row.get("none", 1)) == (True, False, 1)
    assert dict(row) == dict(zip(row.keys(), row.values(), strict=True))
    with pytest.raises(KeyError):
        row["none"]
    assert await side.pool.fetchrow(position._READ, 99) is None
    assert await side.pool.fetchval(position._READ, 99) is None
    assert await side.pool.execute(status._RECORD, 0, "waiting", "", "") is not None


async def test_given_a_statement_that_waits_when_its_session_is_ended_then_it_is_told_so(side: Side) -> None:
    one, other = await side.connect(), await side.connect()
    async with one.transaction():
        await take_epoch(one, EMPTY, "a")
        waiting = asyncio.create_task(take_epoch(other, EMPTY, "b"))
        await asyncio.wait({waiting}, timeout=0.1)
        await side.terminate(other.get_server_pid())
        with pytest.raises(asyncpg.ConnectionDoesNotExistError, match="due to administrator command"):
            await waiting

    async def noticed() -> bool:
        return bool(other.is_closed())

    await until(noticed)
    assert (await read_position(one, 0)).taken_identity == "a"
