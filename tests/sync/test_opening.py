"""Opening a partition: whose word counts, and when nobody's does."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from croupier.economy import version
from croupier.errors import CroupierError
from croupier.partition import close, open_epoch
from croupier.scripts import Scripts
from croupier.transport import Transport, Unavailable
from croupier_schemas.economy import Economy
from croupier_sync import daemon
from croupier_sync.daemon import PartitionSync
from croupier_sync.errors import Superseded
from croupier_sync.following import Follower
from croupier_sync.installation import read_installation
from croupier_sync.limits import Limits
from croupier_sync.migrations import migrate
from croupier_sync.opening import Opener, is_open
from croupier_sync.position import read_position, take_epoch
from croupier_sync.projector import Projector
from croupier_sync.push import push
from croupier_sync.server import Server
from tests.redis_server import administrator, started_valkey
from tests.sync.support import OTHER_SERVER, PARTITION, Casino, generous_economy, until, until_following


async def _push(casino: Casino, economy: Economy) -> None:
    """Push as an operator does: on a connection of his own."""
    connection = await asyncpg.connect(casino.database_url)
    await push(casino.transport, connection, economy)
    await connection.close()


async def _until_held(casino: Casino, events: int) -> None:
    """Wait until Postgres has so many events."""

    async def held() -> bool:
        return bool(await casino.connection.fetchval("SELECT count(*) FROM events") == events)

    await until(held, "so many events in Postgres")


async def test_given_empty_servers_when_started_then_epoch_1_is_opened_and_the_economy_is_in_force(
    casino: Casino,
) -> None:
    async with casino.daemon():
        head = await casino.until_open()
        await casino.until_caught_up()
    assert head.epoch == 1
    assert head.installation == (await read_installation(casino.connection)).id
    assert is_open(head, str(casino.transport.identity))
    assert [event.header.type for event in await casino.log()] == ["epoch.opened", "economy.changed"]


async def test_given_an_economy_pushed_before_the_first_event_is_followed_then_the_daemon_goes_on_under_it(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, pushed = Follower.follow, generous_economy(initial_tokens=10**8)

    async def after_a_push(self: Follower, stop: asyncio.Event) -> None:
        await _push(casino, pushed)
        await follow(self, stop)

    monkeypatch.setattr(Follower, "follow", after_a_push)
    async with casino.daemon():
        await _until_held(casino, 3)
    assert [event.header.type for event in await casino.log()][1:] == ["economy.changed"] * 2


async def test_given_an_operator_who_pushes_first_when_started_then_the_default_economy_is_not_put_in_its_place(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = generous_economy(initial_tokens=10**8)

    async def after_the_operator(*arguments: Any, **options: Any) -> Any:
        await _push(casino, pushed)
        return await push(*arguments, **options)

    monkeypatch.setattr(daemon, "push", after_the_operator)
    async with casino.daemon() as sync:
        head = await casino.until_open()
        await _until_held(casino, 2)
        await until(lambda: _follows(sync), "the daemon follows")
    assert head.economy == version(pushed)


async def _follows(sync: PartitionSync) -> bool:
    return sync.status.state == "following"


async def test_given_a_partition_that_is_open_when_a_daemon_starts_again_then_it_goes_on_in_the_same_epoch(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.pull(1)
    async with casino.daemon():
        await casino.until_caught_up()
    assert {event.id.epoch for event in await casino.log()} == {1}


async def test_given_redis_restarted_with_its_data_when_followed_then_the_rest_is_drained_and_a_new_epoch_begins(
    database_url: str, connection: asyncpg.Connection, short_path: Path
) -> None:
    await migrate(connection)
    for epoch in (1, 2, 3):
        with started_valkey(short_path / "valkey") as server:
            transport = Transport(server.url)
            await transport.open()
            casino = Casino.of(server.url, database_url, transport, connection)
            async with casino.daemon():
                head = await casino.until_open()
                await casino.pull(1)
                await casino.until_caught_up()
            await casino.pull(2)  # nobody follows: the next epoch's daemon finds it in the closed outbox
            await transport.close()
        assert head.epoch == epoch
    rows = await connection.fetch("SELECT epoch, type FROM events ORDER BY epoch, seq")
    in_epoch_2 = [row["type"] for row in rows if row["epoch"] == 2]
    assert in_epoch_2 == ["epoch.opened", "gacha.pulled", "gacha.pulled"]
    assert await connection.fetchval("SELECT count(*) FROM game_history") == 5


async def test_given_redis_restarting_under_a_running_daemon_when_back_then_pulls_succeed_again(
    database_url: str, connection: asyncpg.Connection, short_path: Path
) -> None:
    await migrate(connection)
    server = started_valkey(short_path / "valkey")
    transport = Transport(server.url)
    await transport.open()
    casino = Casino.of(server.url, database_url, transport, connection)
    try:
        async with casino.daemon() as sync:
            await casino.until_open()
            await casino.pull(1)
            server.stop()
            server = started_valkey(short_path / "valkey")

            async def pulled() -> bool:
                try:
                    await casino.pull(1)
                except (CroupierError, Unavailable):
                    return False
                return True

            await until(pulled, "a pull after the restart")
            await casino.until_caught_up()
            await until_following(sync.status)
        assert (await casino.log())[-1].id.epoch == 2
        assert await casino.mirror() == await casino.durable_state()
    finally:
        await transport.close()
        server.stop()


async def test_given_several_openers_at_once_when_done_then_one_epoch_was_opened(
    casino: Casino, database_url: str
) -> None:
    await casino.have_played()
    await casino.pull(1)
    await casino.pretend_restart()
    installation = await read_installation(casino.connection)
    connections = [await asyncpg.connect(database_url) for _ in range(4)]
    transports = [Transport(casino.redis_url) for _ in connections]
    try:
        for transport in transports:
            await transport.open()

        async def opened(number: int) -> int:
            opener = Opener(connections[number], Scripts(), Projector(), PARTITION, Limits(batch_max=100))
            while True:
                try:
                    return (await opener.open(Server(transports[number]), installation)).epoch
                except Superseded:
                    continue

        assert set(await asyncio.gather(*map(opened, range(4)))) == {2}
    finally:
        for each in (*connections, *transports):
            await each.close()
    async with casino.daemon() as sync:
        await casino.pull(1)
        await casino.until_caught_up()
        await until_following(sync.status)
    assert [event.header.type for event in await casino.log()].count("epoch.opened") == 2


async def test_given_an_epoch_taken_but_not_opened_when_the_next_opener_comes_then_it_opens_that_one(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.pretend_restart()
    position = await read_position(casino.connection, PARTITION)
    assert await take_epoch(casino.connection, position, str(casino.transport.identity)) == 2
    async with casino.daemon():
        assert (await casino.until_open()).epoch == 2


async def test_given_an_epoch_taken_for_a_server_that_is_gone_when_the_next_opener_comes_then_it_takes_another(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.pretend_restart()
    position = await read_position(casino.connection, PARTITION)
    assert await take_epoch(casino.connection, position, OTHER_SERVER) == 2
    async with casino.daemon():
        assert (await casino.until_open()).epoch == 3


async def test_given_an_opener_that_slept_when_another_has_opened_then_it_opens_nothing(
    casino: Casino,
) -> None:
    await casino.have_played()
    await casino.pretend_restart()
    head = await casino.head()
    assert head is not None
    scripts, cursor = Scripts(), (await read_position(casino.connection, PARTITION)).cursor
    assert cursor is not None
    assert await close(casino.transport, scripts, PARTITION, head)
    async with casino.daemon():
        await casino.until_open()
    before = await casino.head()
    opened = await open_epoch(
        casino.transport,
        scripts,
        PARTITION,
        identity=OTHER_SERVER,
        head=head,
        epoch=9,
        installation=head.installation,
        last_entry=cursor.entry,
    )
    assert not opened
    assert await casino.head() == before


async def test_given_a_connection_that_was_lost_when_an_opener_goes_on_then_nothing_is_sent_to_the_new_one(
    casino: Casino,
) -> None:
    server = Server(casino.transport)
    casino.transport.reconnect("the test says so")

    async def connected_again() -> bool:
        return casino.transport.connection_number == 2

    await until(connected_again, "the connection")
    assert not server.is_current
    with pytest.raises(Unavailable):
        await server.call("PING")
    with pytest.raises(Unavailable):
        await server.run(Scripts()["partition.close"], ["{0}:head"] * 3, [""])


@pytest.mark.parametrize("daemon_notices", [True, False])
async def test_given_redis_demoted_and_promoted_again_when_it_is_a_master_then_the_partition_is_opened_for_it_anew(
    casino: Casino, daemon_notices: bool
) -> None:
    async with casino.daemon(Limits(heartbeat_s=0.05)) as sync:
        await casino.until_open()
        await casino.pull(1)
        before = str(casino.transport.identity)
        with administrator(casino.redis_url) as control:
            control.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            if daemon_notices:

                async def noticed() -> bool:
                    return sync.status.state == "unreachable"

                await until(noticed, "the daemon to see a replica")
        finally:
            with administrator(casino.redis_url) as control:
                control.execute_command("REPLICAOF", "NO", "ONE")
        casino.transport.reconnect("as a worker does")

        async def connected() -> bool:
            return casino.transport.identity is not None

        await until(connected, "the connection")
        assert str(casino.transport.identity) != before
        assert (await casino.until_open()).epoch == 2
        await casino.pull(1)
        await casino.until_caught_up()
    assert await casino.mirror() == await casino.durable_state()
