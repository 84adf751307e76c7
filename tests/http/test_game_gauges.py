"""The gauges of test switches, and of crash bets that nobody settles: read from Redis, whatever a worker has seen."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from croupier.crash.overdue import COUNTED_MAX
from croupier.economy import canonical
from croupier_schemas import keys
from croupier_schemas.records import CRASH
from tests.commands.economies import banner, economy
from tests.http.support import Client, running, settings_for, token, until
from tests.http.test_pages import samples
from tests.redis_server import administrator
from tests.transport.own_server import free_port

OVERDUE = "game_crash_bets_overdue"
TESTS_ONLY = {"deterministic_seed": "our tests", "rps_deterministic": "win"}


def mode(name: str) -> str:
    return f'test_mode{{mode="{name}"}}'


async def shown(client: Client) -> dict[str, float]:
    """The gauges of these tests, by name and labels."""
    everything = samples((await client.get("/metrics", bearer="")).body)
    return {name: value for name, value in everything.items() if name.startswith(("test_mode{", OVERDUE))}


async def bet(client: Client, uid: int, **more: Any) -> None:
    reply = await client.post("/api/games/crash/bet", {"bet_amount": 100, **more}, bearer=token(uid))
    assert reply.status == 200, reply.body


def begin_earlier(server: Any, uid: int, by_s: int) -> None:
    """Put an open bet back in time."""
    name = keys.crash(0, uid)
    record = server.get(name)
    crash = CRASH.unpack(record)
    began_at_ms = crash.started_at_ms - 1_000 * by_s
    earlier = CRASH.pack(replace(crash, started_at_ms=began_at_ms))
    server.set(name, earlier + record[len(earlier) :])
    server.zadd(keys.crash_open(0), {str(uid): began_at_ms})


def stop_sweeping(server: Any) -> None:
    """Hold the lease for somebody who does nothing."""
    server.set(keys.sweeper(0), "nobody")


async def test_given_bets_that_nobody_settles_when_their_rounds_must_be_over_then_those_are_counted_until_settled(
    client: Client, redis_url: str
) -> None:
    with administrator(redis_url) as server:
        stop_sweeping(server)
        # At 6 % a second a round is at 2.00 after 11.6 s, and at the cap of 1000 after 115.2 s.
        for uid, target, began_s in ((1, 2.0, 30), (2, 2.0, 12), (3, None, 60), (4, None, 130), (5, 2.0, 0)):
            await bet(client, uid, **({"auto_cashout": target} if target else {}))
            if began_s:
                begin_earlier(server, uid, began_s)

        assert (await shown(client))[OVERDUE] == 2  # 1 and 4; that of 2 is over, but not for 5 s

        server.delete(keys.sweeper(0))

        async def settled() -> bool:
            return (await shown(client))[OVERDUE] == 0

        await until(settled, "the sweeper to settle what is over")
        assert {b"1", b"4"}.isdisjoint(server.zrange(keys.crash_open(0), 0, -1))


async def test_given_an_index_with_more_than_bets_in_it_when_counted_then_only_what_is_open_and_no_more_than_a_bound(
    client: Client, redis_url: str
) -> None:
    with administrator(redis_url) as server:
        stop_sweeping(server)
        await bet(client, 1, auto_cashout=2.0)
        begin_earlier(server, 1, 60)
        record, began_at_ms = server.get(keys.crash(0, 1)), int(server.zscore(keys.crash_open(0), "1"))
        settled = CRASH.pack(replace(CRASH.unpack(record), bet=0))
        server.mset({keys.crash(0, 2): settled, keys.crash(0, 3): b"\xff" + record[1:]})
        server.zadd(keys.crash_open(0), dict.fromkeys(("2", "3", "4"), began_at_ms))

        assert (await shown(client))[
            OVERDUE
        ] == 2  # 1, and 3, which nobody can read; 2 is settled, 4 never bet

        many = range(10, 10 + COUNTED_MAX + 100)
        server.mset({keys.crash(0, uid): record for uid in many})
        server.zadd(keys.crash_open(0), {str(uid): began_at_ms - 1 for uid in many})
        assert (await shown(client))[OVERDUE] == COUNTED_MAX


@pytest.mark.parametrize("on", [False, True])
async def test_given_switches_for_tests_when_they_are_on_or_off_then_the_gauge_says_so_of_each(
    redis_url: str, tmp_path: Path, on: bool
) -> None:
    path = tmp_path / "economy.json"
    rate_limit = {"mode": "shadow" if on else "enforce"}
    path.write_bytes(canonical(economy({"standard": banner()}, rate_limit=rate_limit)))

    async with running(settings_for(redis_url, economy=str(path), **(TESTS_ONLY if on else {}))) as client:
        now = await shown(client)

    assert now == {OVERDUE: 0} | {
        mode(name): int(on) for name in ("deterministic", "rps", "rate_limit_shadow")
    }


async def test_given_no_redis_when_asked_then_what_the_settings_say_is_shown_and_nothing_else() -> None:
    settings = settings_for(f"redis://127.0.0.1:{free_port()}/0", **TESTS_ONLY)
    async with running(settings, ready=False) as client:
        assert await shown(client) == {mode("deterministic"): 1, mode("rps"): 1}


async def test_given_a_server_at_rest_when_a_second_has_passed_then_the_round_trip_to_redis_was_timed(
    client: Client,
) -> None:
    before = samples((await client.get("/metrics", bearer="")).body)

    async def timed() -> bool:
        now = samples((await client.get("/metrics", bearer="")).body)
        return now["redis_round_trip_seconds_count"] > before["redis_round_trip_seconds_count"] + 1

    await until(timed, "two more round trips")
    after = samples((await client.get("/metrics", bearer="")).body)

    assert after["redis_round_trip_seconds_sum"] > before["redis_round_trip_seconds_sum"]
