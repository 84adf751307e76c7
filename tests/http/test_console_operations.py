"""The state of the servers for operators, and who may see any of what the console shows."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from croupier_sync.export.cursors import BEGINNING, Place, add_cursors, move_cursor
from tests.http.console import PATHS, admin, open_house
from tests.http.served import serving
from tests.http.support import PULL, Client, assert_is_error, running, settings_for, token, until

OPERATIONS, SYNC = "/api/admin/operations", "/api/admin/sync"


def grown(
    before: Any, after: Any, rows: str, names: tuple[str, ...], counts: str
) -> Counter[tuple[str, ...]]:
    """By how much counters grew; the tests of one process share its counters."""
    totals: Counter[tuple[str, ...]] = Counter()
    for sign, reply in ((-1, before), (1, after)):
        for row in reply[rows]:
            place = tuple(row[name] for name in names)
            values = row[counts] if isinstance(row[counts], dict) else {"": row[counts]}
            for name, value in values.items():
                totals[(*place, name) if name else place] += sign * value
    return +totals


@pytest.mark.parametrize("path", PATHS)
async def test_given_no_admin_when_asking_then_401_or_403_and_the_description_says_so(
    client: Client, path: str
) -> None:
    assert_is_error(await client.get(path, bearer=""), 401, "UNAUTHENTICATED")
    assert_is_error(await client.get(path), 403, "FORBIDDEN")
    described = (await client.get("/openapi.json")).json["paths"][
        path.replace("players/1", "players/{user_id}")
    ]
    assert {"401", "403", "503"} <= set(described["get"]["responses"])


async def test_given_traffic_when_asked_twice_then_the_differences_are_what_was_sent(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        before = await house.ask(OPERATIONS)
        for _ in range(3):
            await house.pull(1)
        await house.client.post(PULL, key="once", bearer=token(1))
        await house.client.post(PULL, key="once", bearer=token(1))
        await house.client.post(PULL, {"banner": "none-such"}, bearer=token(1))
        await house.settled()

        async def counted() -> bool:
            after = await house.ask(OPERATIONS)
            commands = grown(before, after, "commands", ("command",), "outcomes")
            return commands["gacha.pull", "BANNER_NOT_FOUND"] == 1

        await until(counted, "the counters")  # they are carried over once a second
        after = await house.ask(OPERATIONS)

    assert grown(before, after, "commands", ("command",), "outcomes") == {
        ("gacha.pull", "ok"): 4, ("gacha.pull", "replayed"): 1, ("gacha.pull", "BANNER_NOT_FOUND"): 1,
    }  # fmt: skip
    requests = grown(before, after, "operations", ("operation",), "statuses")
    assert requests["games_gacha_pull_v1", "200"] == 5
    assert requests["games_gacha_pull_v1", "404"] == 1
    bounds = after["bounds_s"]
    assert bounds == sorted(bounds) and len(bounds) == 14
    pulls = next(row for row in after["operations"] if row["operation"] == "games_gacha_pull_v1")
    assert {row["operation"]: row["is_command"] for row in after["operations"]}.items() >= {
        ("games_gacha_pull_v1", True), ("admin_operations_v1", False),
    }  # fmt: skip
    assert len(pulls["buckets"]) == len(bounds) + 1
    assert pulls["buckets"] == sorted(pulls["buckets"])
    assert pulls["seconds"] > 0
    assert (after["status"], after["why_full"]) == ("ready", "")
    assert after["redis"]["breaker"] == "closed"
    assert after["sinks"][0]["sink"] == "postgres"


async def test_given_a_limit_that_is_reached_when_asked_then_blocks_are_counted_by_endpoint_and_tier(
    client: Client,
) -> None:
    before = (await client.get(OPERATIONS, bearer=admin())).json
    blocked = 0
    for _ in range(12):
        reply = await client.post(
            "/api/games/rps/play", {"player_move": "ROCK"}, bearer=token(5, tier="STANDARD")
        )
        blocked += reply.json.get("code") == "RATE_LIMITED"

    after = (await client.get(OPERATIONS, bearer=admin())).json

    assert blocked > 0
    assert grown(before, after, "blocks", ("endpoint", "user_tier"), "blocked") == {
        ("games_rps_play_v1", "STANDARD"): blocked
    }


async def test_given_several_workers_when_any_of_them_is_asked_then_it_answers_for_all(
    redis_url: str, database_url: str
) -> None:
    async with (
        open_house(redis_url, database_url) as house,
        serving(settings_for(redis_url, database_url=database_url, workers=2)) as (_server, client),
    ):
        for uid in range(1, 21):
            assert (await client.post(PULL, bearer=token(uid))).status == 200

        async def counted() -> bool:
            commands = (await client.get(OPERATIONS, bearer=admin())).json["commands"]
            return {"command": "gacha.pull", "outcomes": {"ok": 20}} in commands

        await until(counted, "the pulls of both workers")
        await house.settled()


async def test_given_no_postgres_when_asked_then_operations_answer_and_the_rest_says_why_not(
    client: Client,
) -> None:
    reply = await client.get(OPERATIONS, bearer=admin())

    assert (reply.status, reply.json["sinks"], reply.json["status"]) == (200, [], "ready")
    for path in PATHS:
        if path not in (OPERATIONS, "/api/admin/players/1"):
            assert_is_error(await client.get(path, bearer=admin()), 503, "NOT_READY")


async def test_given_servers_that_are_away_when_asked_then_operations_say_so(tmp_path: Path) -> None:
    settings = settings_for(
        "redis://127.0.0.1:1",
        database_url=f"postgres:///x?host={tmp_path}",
        kafka_bootstrap_servers="127.0.0.1:1",
    )
    async with running(settings, ready=False) as client:
        reply = await client.get(OPERATIONS, bearer=admin())
        assert_is_error(await client.get(SYNC, bearer=admin()), 503, "NOT_READY")

    assert (reply.status, reply.json["status"]) == (200, "not_ready")
    assert reply.json["checks"]["redis"] != "ok" and reply.json["checks"]["postgres"] != "ok"


async def test_given_kafka_and_clickhouse_when_asked_then_each_sink_that_is_on_says_how_it_is(
    redis_url: str, database_url: str
) -> None:
    kafka = {"kafka_bootstrap_servers": "127.0.0.1:1"}
    both = kafka | {"clickhouse_url": "http://127.0.0.1:1/test"}
    async with (
        open_house(redis_url, database_url) as house,
        running(settings_for(redis_url, database_url=database_url, **both)) as with_both,
        running(settings_for(redis_url, database_url=database_url, **kafka)) as with_kafka,
    ):
        await house.settled()
        log = await house.casino.log()
        await house.postgres.execute(
            "UPDATE sinks SET state = 'unreachable', seen_at = clock_timestamp() WHERE sink = 'clickhouse'"
        )
        await house.postgres.execute(
            "INSERT INTO export_failures (sink, partition, epoch, seq, key, value, headers, error)"
            " VALUES ('clickhouse', 0, 1, 0, '', '', '{}', 'poison')"
        )
        await add_cursors(house.postgres, "kafka")
        await move_cursor(house.postgres, "kafka", 0, BEGINNING, Place.of(log[-2].id))
        postgres, clickhouse, in_kafka = (await with_both.get(OPERATIONS, bearer=admin())).json["sinks"]
        only = (await with_kafka.get(OPERATIONS, bearer=admin())).json["sinks"]

    assert (postgres["sink"], postgres["state"], postgres["dead_letters"]) == ("postgres", "", 0)
    assert (clickhouse["sink"], clickhouse["state"]) == ("clickhouse", "unreachable")
    assert (clickhouse["events"], clickhouse["dead_letters"]) == (len(log), 1)
    assert clickhouse["seconds"] > 0
    assert (in_kafka["sink"], in_kafka["state"], in_kafka["events"], in_kafka["dead_letters"]) == (
        "kafka", "silent", 1, 0,
    )  # fmt: skip
    assert [sink["sink"] for sink in only] == ["postgres", "kafka"]


async def test_given_an_installation_when_its_sync_is_asked_for_then_it_is_as_the_tables_say(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        await house.pull(1)
        await house.settled()
        empty = await house.ask(SYNC)
        for epoch in range(101, 171):
            await house.postgres.execute(
                "INSERT INTO heals VALUES (0, $1, 'server changed', '1-5', '1-3', $2, 0, false, now(), 0.25)",
                epoch,
                ["1-5", "1-4"],
            )
        await house.postgres.execute("INSERT INTO adoptions VALUES (0, '1-7', '2-0')")
        await house.postgres.execute(
            "INSERT INTO projection_failures (partition, epoch, seq, projection, error, replays)"
            " VALUES (0, 1, 2, 'gacha.pulled', 'ValueError()', 3)"
        )
        found = await house.ask(SYNC)
        cursor = await house.casino.cursor()

    assert cursor is not None
    (partition,) = empty["partitions"]
    assert (partition["state"], partition["epoch"]) == ("following", 1)
    assert partition["last_event"] == f"0-{cursor[0]}-{cursor[1]}"
    assert partition["last_event_at"] == empty["as_of"]
    assert (empty["heals"], empty["heals_total"], empty["dead_letters"], empty["adoptions"]) == (
        [],
        0,
        [],
        [],
    )
    assert (found["heals_total"], len(found["heals"])) == (70, 50)
    assert [heal["epoch"] for heal in found["heals"][:2]] == [170, 169]
    assert (found["heals"][0]["undone"], found["heals"][0]["missing"], found["heals"][0]["seconds"]) == (
        2,
        0,
        0.25,
    )
    (adoption,) = found["adoptions"]
    assert (adoption["last_event"], adoption["first_event"]) == ("0-1-7", "0-2-0")
    (letter,) = found["dead_letters"]
    assert (letter["event_id"], letter["projection"], letter["replays"]) == ("0-1-2", "gacha.pulled", 3)


async def test_given_a_socket_when_it_opens_says_something_and_closes_then_it_is_counted_by_kind(
    redis_url: str, database_url: str
) -> None:
    async with open_house(redis_url, database_url) as house:
        before = (await house.ask(OPERATIONS))["sockets"]
        address = f"{house.client.url}/api/games/ws"
        headers = {"Authorization": f"Bearer {token(1)}"}

        async def counted(number: int, frames_in: int) -> bool:
            now = (await house.ask(OPERATIONS))["sockets"]
            opened = now["open"].get("player", 0) == number
            return bool(opened and now["frames_in"] - before["frames_in"] == frames_in)

        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(address, protocols=["croupier.json"]) as socket,
        ):
            assert (await socket.receive_json())["type"] == "hello"
            await socket.send_json([1, "ping", {}])
            assert (await socket.receive_json())[:2] == [1, 200]
            await until(partial(counted, 1, 1), "an open socket and a frame")
        await until(partial(counted, 0, 1), "the socket's end")
        after = (await house.ask(OPERATIONS))["sockets"]

    assert after["frames_out"] - before["frames_out"] >= 2
    assert (after["pushes_dropped"], after["slow_readers_closed"]) == (
        before["pushes_dropped"],
        before["slow_readers_closed"],
    )
    assert len(after["fanout_buckets"]) == len(after["fanout_bounds_s"]) + 1
