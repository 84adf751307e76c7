"""`croupier backup` and `croupier restore --from`: all comes back as it was, and a damaged file changes nothing."""

import uuid
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from croupier.command import Caller
from croupier.notifications import NOTIFICATIONS, READ, SEND
from croupier.query import Sources
from croupier.transport import Transport
from croupier_cli.embedded import Postgres
from croupier_schemas.notifications import (
    Notification,
    NotificationRead,
    NotificationSend,
    NotificationsQuery,
)
from croupier_sync.backup import EPOCHS_SKIPPED, back_up, read_backup, read_cursors, seal
from croupier_sync.migrations import migrate
from croupier_sync.position import read_position
from tests.cli.casino import Installation
from tests.sync.conftest import casino, connection, transport  # noqa: F401 - fixtures
from tests.sync.support import PARTITION, TABLES, Casino
from tests.sync.verified import play_everything


@pytest.fixture
async def played(casino: Casino) -> Installation:  # noqa: F811
    await play_everything(casino)
    async with asyncpg.create_pool(casino.database_url, min_size=1, max_size=2) as pool:
        sources = Sources(casino.engine, pool)
        for title in ("Welcome", "Welcome back"):
            await tell(sources, title)
        await READ.act(sources, Caller(1, "STANDARD", "player", b""), 0, NotificationRead("1"))
    return Installation(casino)


async def tell(sources: Sources, title: str) -> Notification:
    """Tell player 1 something."""
    admin = Caller(900, "STANDARD", "admin", b"")
    return await SEND.act(sources, admin, 0, NotificationSend(1, title, ""))


@pytest.fixture
async def second(postgres: Postgres, redis_url: str, transport: Transport) -> AsyncIterator[Installation]:  # noqa: F811
    """Another Postgres, migrated and empty, beside the same Redis."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(postgres.url)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    connection = await asyncpg.connect(postgres.url_of(name))  # noqa: F811
    await migrate(connection)
    yield Installation(Casino.of(redis_url, postgres.url_of(name), transport, connection))
    await connection.close()
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def file(played: Installation, tmp_path: Path) -> Path:
    """A backup of the casino."""
    file = tmp_path / "casino.backup"
    assert (await played.runs("backup", str(file))).exit_code == 0
    return file


async def test_given_a_backup_when_restored_elsewhere_then_every_table_and_redis_are_what_they_were(
    played: Installation, second: Installation, file: Path
) -> None:
    # Given
    tables, state = await played.casino.dump(), await played.casino.durable_state()
    await played.casino.administer("FLUSHALL")

    # When
    restored = await second.asks("restore", "--from", str(file))

    # Then
    assert restored["partitions"][0]["redis"] == "equal"
    assert await second.casino.durable_state() == state
    found = await second.casino.dump()
    for table in set(TABLES) - {"partitions", "events"}:
        assert found[table] == tables[table], table
    events = await second.casino.connection.fetch("SELECT epoch, type FROM events WHERE epoch > 1")
    assert [tuple(row) for row in events] == [(EPOCHS_SKIPPED + 2, "epoch.opened")]
    assert len(found["events"]) == len(tables["events"]) + 1
    assert (await second.asks("verify"))["sound"]


async def test_given_a_restored_backup_when_players_are_told_something_then_it_is_added_to_what_they_know(
    played: Installation, second: Installation, file: Path
) -> None:
    await played.casino.administer("FLUSHALL")
    await second.asks("restore", "--from", str(file))

    async with asyncpg.create_pool(second.casino.database_url, min_size=1, max_size=2) as pool:
        sources = Sources(second.casino.engine, pool)
        await tell(sources, "And again")
        listed = await NOTIFICATIONS.answer(
            sources, Caller(1, "STANDARD", "player", b""), NotificationsQuery()
        )

    assert [each.title for each in listed.items] == ["And again", "Welcome back", "Welcome"]
    assert [each.read_at is not None for each in listed.items] == [False, False, True]


async def test_given_a_restored_backup_when_players_play_on_then_no_nonce_comes_twice(
    played: Installation, second: Installation, file: Path
) -> None:
    await played.casino.administer("FLUSHALL")
    await second.asks("restore", "--from", str(file))

    async with second.casino.daemon():
        await second.casino.until_open()
        reply = await second.casino.pull(1)
        await second.casino.until_caught_up()

    assert reply.receipt.nonce > EPOCHS_SKIPPED * 10**9
    assert (await second.asks("verify"))["sound"]


async def test_given_a_backup_when_it_is_there_then_it_is_not_written_over(
    played: Installation, file: Path
) -> None:
    before = file.read_bytes()

    await played.refused("backup", str(file), said=("exists already",))

    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


async def test_given_a_directory_that_is_not_there_when_backed_up_then_it_cannot_run(
    played: Installation, tmp_path: Path
) -> None:
    await played.refused("backup", str(tmp_path / "none" / "casino.backup"), said=("cannot be written",))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped_at(share: float) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        at = int(len(data) * share)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return flip


@pytest.mark.parametrize(
    "damage",
    [cut, lambda _: b"", lambda _: b"no archive", *map(flipped_at, (0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999))],
)
async def test_given_a_damaged_file_when_restored_then_it_is_refused_and_nothing_is_written(
    played: Installation, second: Installation, file: Path, damage: Callable[[bytes], bytes]
) -> None:
    await played.casino.administer("FLUSHALL")
    file.write_bytes(damage(file.read_bytes()))

    await second.refused("restore", "--from", str(file), said=("damaged",))


def forge(file: Path, directory: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """A copy with changed members that is a sound archive for all that it says of itself."""
    forged = directory / "forged"
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(forged, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, change(name, archive.read(name)))
        copy.comment = archive.comment
    seal(forged)
    return forged


async def test_given_a_table_exchanged_for_another_when_restored_then_it_is_refused(
    played: Installation, second: Installation, file: Path, tmp_path: Path
) -> None:
    await played.casino.administer("FLUSHALL")
    forged = forge(file, tmp_path, lambda name, data: data[:-1] if name == "wallet_ledger.copy" else data)

    await second.refused("restore", "--from", str(forged), said=("damaged", "wallet_ledger"))


async def test_given_a_used_postgres_when_restored_from_a_file_then_it_is_refused(
    played: Installation, file: Path
) -> None:
    await played.refused("restore", "--from", str(file), said=("has been used",))


async def test_given_a_redis_that_went_on_after_the_backup_when_restored_then_it_is_refused_and_nothing_is_loaded(
    played: Installation, second: Installation, file: Path
) -> None:
    # Given
    kept = (await played.casino.log())[-1].id
    async with played.casino.daemon():
        await played.casino.until_open()
        await played.casino.pull(1)
        await played.casino.until_caught_up()
    newest = (await played.casino.log())[-1].id

    # When, then
    said = (f"Redis has events up to {newest}", f"the backup ends at event {kept}", "empty this Redis")
    await second.refused("restore", "--from", str(file), said=said)


async def test_given_a_redis_that_ends_with_the_backup_when_restored_then_it_is_made_anew(
    played: Installation, second: Installation, file: Path
) -> None:
    state = await played.casino.durable_state()

    restored = await second.asks("restore", "--from", str(file))

    assert restored["partitions"][0]["redis"] == "equal"
    assert await second.casino.durable_state() == state


async def test_given_a_backup_when_its_cursors_are_read_then_they_are_those_of_postgres(
    played: Installation, second: Installation, tmp_path: Path, file: Path
) -> None:
    assert read_cursors(file, read_backup(file)) == {
        PARTITION: (await read_position(played.casino.connection, PARTITION)).cursor
    }
    empty = tmp_path / "empty.backup"
    await back_up(second.casino.connection, empty)
    assert read_cursors(empty, read_backup(empty)) == {PARTITION: None}


async def test_given_a_redis_of_another_installation_when_restored_from_a_file_then_it_is_refused(
    played: Installation, second: Installation, file: Path
) -> None:
    await played.casino.transport.call("HSET", "{0}:head", "installation", "another")

    await second.refused("restore", "--from", str(file), said=("installation another",))


async def test_given_other_migrations_when_restored_from_a_file_then_it_is_refused(
    played: Installation, second: Installation, file: Path, tmp_path: Path
) -> None:
    await played.casino.administer("FLUSHALL")
    forged = forge(file, tmp_path, lambda _, data: data.replace(b"0001_events", b"0001_others"))

    await second.refused("restore", "--from", str(forged), said=("migrations",))
