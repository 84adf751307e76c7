"""What can be made to go wrong with the model, and that the product would recognise it."""

import asyncio
import pkgutil
import re
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from types import ModuleType

import asyncpg
import pytest

import croupier
import croupier_sync
from croupier.partition_state import partition_states
from croupier.postgres import is_away
from croupier_sync.errors import Superseded
from croupier_sync.position import Position, read_position, take_epoch
from croupier_sync.postgres import end_silent_owner, try_lock
from croupier_sync.status import Status, record
from tests.simulation.postgres.connection import ModelConnection
from tests.simulation.postgres.server import ModelPostgres
from tests.simulation.postgres.statements import STATEMENTS

# What operators run, what they and sockets ask, and what makes the tables.
NOT_SIMULATED = (
    "croupier.admin",
    "croupier.analytics",
    "croupier.notifications",
    "croupier.sinks",
    "croupier_sync.backup",
    "croupier_sync.export",
    "croupier_sync.migrations",
    "croupier_sync.verification",
)
EMPTY = Position(0, None, 0, "")
TAKEN = Position(0, None, 1, "a")


def at(
    wanted: str, then: Callable[[ModelConnection], None]
) -> Callable[[ModelConnection, str], Awaitable[None]]:
    """A hook that does something once, when a statement of this name passes."""
    done = False

    async def hook(connection: ModelConnection, name: str) -> None:
        nonlocal done
        await asyncio.sleep(0)
        if name == wanted and not done:
            done = True
            then(connection)

    return hook


@pytest.fixture
def server() -> ModelPostgres:
    return ModelPostgres()


async def take(connection: ModelConnection) -> None:
    async with connection.transaction():
        await take_epoch(connection, EMPTY, "a")


@pytest.mark.parametrize("fault", ["crash", "cut"])
@pytest.mark.parametrize(("when", "held"), [("before", EMPTY), ("after", TAKEN)])
async def test_given_a_commit_when_the_answer_never_comes_then_it_happened_or_not_and_the_client_cannot_know(
    server: ModelPostgres, fault: str, when: str, held: Position
) -> None:
    connection = await server.connect()
    hook = at("commit", lambda connection: server.restart() if fault == "crash" else connection.cut())
    setattr(server, f"{when}_statement", hook)
    with pytest.raises(asyncpg.ConnectionDoesNotExistError) as lost:
        await take(connection)
    assert is_away(lost.value)
    assert connection.is_closed()
    assert await read_position(await server.connect(), 0) == held


async def test_given_a_client_that_is_killed_when_its_statement_is_under_way_then_that_still_happens(
    server: ModelPostgres,
) -> None:
    connection, other = await server.connect(), await server.connect()
    arrived = asyncio.Event()

    async def slow(_connection: ModelConnection, name: str) -> None:
        if name == "take_epoch":
            await arrived.wait()

    assert await try_lock(connection, 0)
    server.before_statement = slow
    taking = asyncio.create_task(take_epoch(connection, EMPTY, "a"))
    await asyncio.sleep(0)
    connection.kill()
    taking.cancel()
    assert not await try_lock(other, 0)
    assert await read_position(other, 0) == EMPTY
    arrived.set()
    while not await try_lock(other, 0):
        await asyncio.sleep(0)
    assert await read_position(other, 0) == TAKEN
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, asyncio.CancelledError)):
        await taking


async def test_given_a_client_that_is_killed_within_a_transaction_then_it_is_undone(
    server: ModelPostgres,
) -> None:
    connection, other = await server.connect(), await server.connect()
    await connection.transaction().start()
    await take_epoch(connection, EMPTY, "a")
    connection.kill()
    assert await take_epoch(other, EMPTY, "b") == 1


async def test_given_a_client_that_vanishes_when_it_has_been_silent_for_long_then_its_session_can_be_ended(
    server: ModelPostgres,
) -> None:
    connection, other = await server.connect(), await server.connect()
    assert await try_lock(connection, 0)
    await connection.transaction().start()
    await take_epoch(connection, EMPTY, "a")
    connection.vanish()
    assert not await try_lock(other, 0)
    assert not await end_silent_owner(other, 0, 60.0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(take_epoch(other, EMPTY, "b"), timeout=0.02)
    assert await end_silent_owner(other, 0, 0.01)
    assert await try_lock(other, 0)
    assert await take_epoch(other, EMPTY, "b") == 1


async def test_given_a_server_that_is_down_when_a_pool_asks_then_refused_until_it_is_back(
    server: ModelPostgres,
) -> None:
    pool = server.create_pool(min_size=0, max_size=2, timeout=1.0, command_timeout=1.0)
    await record(await server.connect(), Status(0, detail="kept"))
    assert (await partition_states(pool))[0].detail == "kept"
    server.crash()
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError) as refused:
            await partition_states(pool)
        assert is_away(refused.value)
    server.restart()
    assert (await partition_states(pool))[0].detail == "kept"


async def test_given_a_statement_that_its_client_gives_up_when_it_can_not_be_stopped_then_it_happens_later(
    server: ModelPostgres,
) -> None:
    connection = await server.connect()
    arrived = asyncio.Event()

    async def slow(_connection: ModelConnection, name: str) -> None:
        if name == "take_epoch":
            await arrived.wait()

    server.before_statement = slow
    for stopped, held in ((True, EMPTY), (False, TAKEN)):
        server.cancel_arrives = lambda _connection, _name, stopped=stopped: stopped  # type: ignore[misc]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(take_epoch(connection, EMPTY, "a"), timeout=0.01)
        asyncio.get_running_loop().call_later(0.01, arrived.set)
        assert await read_position(connection, 0) == held
        arrived.clear()


async def test_given_an_error_from_a_hook_when_it_comes_before_the_statement_then_the_transaction_has_failed(
    server: ModelPostgres,
) -> None:
    connection = await server.connect()

    def full(_connection: ModelConnection) -> None:
        raise asyncpg.DiskFullError("no space left")

    server.before_statement = at("take_epoch", full)
    async with connection.transaction():
        with pytest.raises(asyncpg.DiskFullError):
            await take_epoch(connection, EMPTY, "a")
        with pytest.raises(asyncpg.InFailedSQLTransactionError):
            await read_position(connection, 0)
    server.before_statement = at("commit", full)
    with pytest.raises(asyncpg.DiskFullError):
        await take(connection)
    assert await read_position(connection, 0) == EMPTY
    await take(connection)
    with pytest.raises(Superseded):
        await take(connection)


async def test_given_a_statement_that_is_not_modelled_when_it_is_sent_then_it_is_named(
    server: ModelPostgres,
) -> None:
    connection = await server.connect()
    with pytest.raises(AssertionError, match="does not know this statement: SELECT 42"):
        await connection.fetchval("SELECT 42")
    assert server.not_modelled == ["SELECT 42"]


def test_given_the_modules_that_daemon_and_engine_run_when_searched_then_every_statement_is_modelled() -> (
    None
):
    modules = [
        module
        for package in (croupier, croupier_sync)
        for module in map(import_module, sorted(_names(package)))
        if not module.__name__.startswith(NOT_SIMULATED)
    ]
    statements = {
        f"{module.__name__}.{name}": text
        for module in modules
        for name, text in vars(module).items()
        if isinstance(text, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s", text)
    }
    assert len(statements) > 40
    assert {name for name, text in statements.items() if text not in STATEMENTS} == set()


def _names(package: ModuleType) -> Iterator[str]:
    return (found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))
