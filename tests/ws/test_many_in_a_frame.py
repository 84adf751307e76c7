"""Several commands in a frame, of which one or all do not go straight through: each is answered for itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from croupier.economy import canonical, load_economy, version
from croupier.partition import push_economy, read_head
from croupier.scripts import Scripts
from croupier.standalone import open_without_postgres
from croupier.transport import Transport
from croupier_cli.embedded import Valkey
from croupier_http.ws.channel import IN_FLIGHT_MAX
from croupier_schemas.keys import idempotency
from croupier_sync.migrations import migrate
from tests.http.support import PULL, Client, running, settings_for, token, until, until_ready
from tests.redis_server import administer
from tests.transport.proxy import Direction, Kind, Proxy
from tests.ws.support import MSGPACK, connected

SPIN = {"bet_amount": 100}


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Transport]:
    """A connection of the test's own."""
    transport = Transport(redis_url)
    await transport.open()
    yield transport
    await transport.close()


def codes(replies: list[list[Any]]) -> list[Any]:
    """Of each reply the code of its error, or the status."""
    return [reply[2]["code"] if reply[1] != 200 else 200 for reply in replies]


async def test_given_a_frame_of_everything_that_can_be_said_when_sent_then_each_has_its_own_answer(
    client: Client,
) -> None:
    await client.post(PULL, {"count": 1}, key="known")

    async with connected(client, protocol=MSGPACK) as socket:
        replies = await socket.ask(
            [0, "gacha.pull", {"count": 3}],
            [1, "gacha.pull", {}, "known"],
            [2, "no.such", {}],
            [3, "slot.spin", SPIN],
            [4, "gacha.pull", {"count": 10}, "known"],
            [5, "rewards.distribute", {}],
            [6, "gacha.pull", {}, ""],
            [7, "slot.spin", {"bet_amount": 7}],
            [8, "ping", {}],
            [9, "slot.spin", SPIN],
        )

    assert codes(replies) == [
        "VALIDATION_ERROR", 200, "NOT_FOUND", 200, "IDEMPOTENCY_KEY_REUSED", "FORBIDDEN", "VALIDATION_ERROR",
        "BET_OUT_OF_RANGE", 200, 200,
    ]  # fmt: skip
    assert replies[1][3] == {"replayed": True}
    ids = {reply[3]["op_id"] for reply in replies if reply[1] != 200}
    assert ids == {reply[2]["request_id"] for reply in replies if reply[1] != 200}
    assert len(ids) == 6


async def test_given_a_player_without_a_seed_when_a_frame_of_commands_comes_then_all_are_done(
    client: Client,
) -> None:
    async with connected(client, protocol=MSGPACK, bearer=token(uid=77)) as socket:
        replies = await socket.ask(*[[number, "slot.spin", SPIN] for number in range(8)])

    assert codes(replies) == [200] * 8
    assert len({reply[2]["receipt"]["nonce"] for reply in replies}) == 8


async def test_given_a_redis_that_has_forgotten_the_scripts_when_a_frame_comes_then_each_is_done_once(
    client: Client, redis_url: str
) -> None:
    async with connected(client, protocol=MSGPACK) as socket:
        first = await socket.command("slot.spin", SPIN)
        await administer(redis_url, "SCRIPT", "FLUSH")
        replies = await socket.ask(*[[number, "slot.spin", SPIN] for number in range(8)])

    assert codes(replies) == [200] * 8
    nonces = sorted(reply[2]["receipt"]["nonce"] for reply in replies)
    assert nonces == list(range(first[2]["receipt"]["nonce"] + 1, first[2]["receipt"]["nonce"] + 9))


async def test_given_an_economy_pushed_under_a_frame_when_fenced_then_all_are_done_under_the_new_one(
    client: Client, redis: Transport
) -> None:
    async with connected(client, protocol=MSGPACK) as socket:
        assert (await socket.command("slot.spin", SPIN))[1] == 200
        economy = load_economy()
        pushed = replace(economy, slot=replace(economy.slot, bet_min=100))
        head = await read_head(redis, 0)
        assert head is not None
        await push_economy(
            redis, Scripts(), 0, economy=pushed, version=version(pushed), canonical=canonical(pushed),
            in_place_of=head.economy,
        )  # fmt: skip
        replies = await socket.ask(
            *[[number, "slot.spin", {"bet_amount": 10 if number == 3 else 100}] for number in range(8)]
        )

    # Bet 3 was in the range of the economy that this worker still believed in.
    assert codes(replies) == [200, 200, 200, "BET_OUT_OF_RANGE", 200, 200, 200, 200]
    assert {reply[2]["receipt"]["economy"] for reply in replies if reply[1] == 200} == {version(pushed)}


async def test_given_a_connection_cut_before_the_replies_when_a_frame_comes_then_each_is_in_doubt_and_was_done(
    valkey: Valkey, redis_url: str
) -> None:
    async with Proxy(str(valkey.socket_path)) as proxy, running(settings_for(proxy.url)) as client:
        async with connected(client, protocol=MSGPACK) as socket:
            assert (await socket.command("slot.spin", SPIN))[1] == 200
            proxy.disturb(
                Direction.REPLIES, Kind.CUT, after_bytes=0, asked=idempotency(0, 42, "k-0").encode()
            )
            replies = await socket.ask(*[[number, "slot.spin", SPIN, f"k-{number}"] for number in range(4)])
        await until_ready(client)

        assert codes(replies) == ["OUTCOME_UNKNOWN"] * 4
        for reply in replies:
            assert await was_applied(client, reply[3]["op_id"])


async def was_applied(client: Client, op_id: str) -> bool:
    """Whether the server says that this attempt was applied."""
    outcome: str = (await client.get(f"/api/ops/{op_id}")).json["outcome"]
    return outcome == "applied"


async def test_given_thousands_of_refusals_in_a_frame_when_sent_then_they_take_turns_with_other_sockets(
    client: Client,
) -> None:
    calls = [[number, "x", {}] for number in range(10 * IN_FLIGHT_MAX)]
    async with connected(client, protocol=MSGPACK) as one, connected(client, protocol=MSGPACK) as other:
        replies, spun = await asyncio.gather(one.ask(*calls), other.command("slot.spin", SPIN))

    assert codes(replies) == ["NOT_FOUND"] * len(calls)
    assert spun[1] == 200


async def test_given_a_socket_that_ends_with_commands_under_way_when_asked_then_they_were_done(
    client: Client,
) -> None:
    before: int = (await client.get("/api/wallet")).json["tokens"]
    async with connected(client, protocol=MSGPACK) as socket:
        await socket.push("hello")
        await socket.send([[number, "gacha.pull", {}] for number in range(4)])
        socket.ws._response.close()

    async def are_done() -> bool:
        wallet: int = (await client.get("/api/wallet")).json["tokens"]
        return wallet == before - 4 * 5_000

    await until(are_done, "four pulls that nobody waits for")


async def test_given_a_postgres_that_nobody_fills_when_a_frame_of_strict_commands_comes_then_none_is_said_to_be_done(
    redis_url: str, database_url: str, redis: Transport
) -> None:
    await open_without_postgres(redis, Scripts(), load_economy())
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    await connection.close()
    settings = settings_for(
        redis_url, database_url=database_url, durability="postgres", durability_timeout_seconds=0.1
    )
    async with running(settings) as client, connected(client, protocol=MSGPACK) as socket:
        first = await socket.command("slot.spin", SPIN)  # which brings the seed
        replies = await socket.ask(
            *[[number, "slot.spin", SPIN, f"key-{number % 2}"] for number in range(100, 104)]
        )

    assert codes([first, *replies]) == ["DURABILITY_TIMEOUT"] * 5
