"""Redis stopped, killed and back, under load: what callers are told meanwhile, and that it was the truth."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from croupier_http.reads import LeakyBuckets
from tests.http.gone import (
    NOTHING_DONE,
    House,
    Players,
    open_house,
    require_answers_were_true,
    until_breaker_is,
)
from tests.http.support import (
    DEADLINE_S,
    PULL,
    ROTATE,
    WALLET,
    assert_is_error,
    token,
    until,
    until_ready,
)

PLAYERS = 40
IN_FLIGHT_MAX = 30
READS_PER_MINUTE = 20

OPENED, CLOSED = "redis circuit breaker opened", "redis circuit breaker closed"
HISTORY = "/api/games/history"
LIVE = (WALLET, "/api/fairness", "/api/games/gacha/banners", "/api/games/gacha/stats", "/ready")
"""What cannot be answered without Redis."""


async def require_recovered(house: House, players: Players, pid: int) -> None:
    """All play again, in the process that served before, and nothing is left over."""
    await players.until_each_has_pulled()
    assert (await house.client.get("/health")).json["worker_pid"] == pid

    async def ready() -> bool:
        return bool((await house.client.get("/ready")).json.get("status") == "ready")

    await until(ready, "a server that is ready")
    assert (await house.metrics())["redis_circuit_breaker_state"] == 0


async def until_calls_wait(house: House) -> None:
    """Wait until calls wait for Redis, or, where the machine was slow, have waited too long already."""

    async def waiting() -> bool:
        metrics = await house.metrics()
        return metrics["redis_in_flight"] >= PLAYERS / 2 or metrics["redis_circuit_breaker_state"] > 0

    await until(waiting, "calls that wait for Redis")


async def require_idle(house: House) -> None:
    """Nobody is waiting for anything any more; the sweeper has a call of its own now and then."""

    async def idle() -> bool:
        metrics = await house.metrics()
        return metrics["redis_in_flight"] <= 1 and metrics["http_requests_in_flight"] == 1

    await until(idle, "an idle worker")


@pytest.mark.parametrize("dropped", [False, True], ids=["briefly", "until the connection is dropped"])
async def test_given_a_redis_that_stands_still_when_asked_then_all_are_answered_meanwhile_and_nothing_runs_late(
    tmp_path: Path, database_url: str, dropped: bool
) -> None:
    environment = {"CROUPIER_IN_FLIGHT_MAX": str(IN_FLIGHT_MAX)}
    async with open_house(tmp_path, database_url, environment) as house:
        pid = (await house.client.get("/health")).json["worker_pid"]
        players = Players(house.client, PLAYERS)
        async with players.playing():
            await players.until_each_has_pulled()
            house.redis.pause()
            try:
                # Answered while Redis stands still: those who were waiting, and those who come when it is known.
                async with asyncio.timeout(DEADLINE_S):
                    asked = await asyncio.gather(*(house.client.get(path) for path in LIVE))
                assert [reply.status for reply in asked] == [503] * len(LIVE)
                await players.until_each_is_answered()
                await until_breaker_is(house.client, 1, 2)
                if dropped:
                    await house.server.event("redis connection lost")
                    for _ in range(3):
                        asked_before = len(players.attempts)
                        await players.until_each_is_answered()
                        told = {attempt.code for attempt in players.attempts[asked_before:] if attempt.code}
                        assert told <= {"NOT_READY"}
                        assert (await house.metrics())["redis_in_flight"] == 0
                metrics = await house.metrics()
                assert metrics["redis_in_flight"] <= IN_FLIGHT_MAX
                assert metrics["http_requests_in_flight"] <= PLAYERS + 1
            finally:
                resumed_ms = time.time() * 1000
                house.redis.resume()
            await require_recovered(house, players, pid)
        await require_idle(house)
        await house.casino.until_caught_up()

        assert "OUTCOME_UNKNOWN" in players.codes()
        assert set(players.codes()) <= NOTHING_DONE | {"ok", "OUTCOME_UNKNOWN"}
        assert len(house.server.events(OPENED)) == len(house.server.events(CLOSED)) == 1
        await require_answers_were_true(players, house.casino, resumed_ms)


async def test_given_a_redis_that_is_killed_when_it_comes_back_then_the_daemon_opens_it_and_all_play_again(
    tmp_path: Path, database_url: str
) -> None:
    async with open_house(tmp_path, database_url, keeps=True) as house:
        pid = (await house.client.get("/health")).json["worker_pid"]
        players = Players(house.client, PLAYERS)
        async with players.playing():
            for _ in range(2):
                await players.until_each_has_pulled()
                house.redis.pause()  # so that it dies with commands in its socket
                await until_calls_wait(house)
                house.redis.kill()
                await players.until_each_is_answered()
                await until_breaker_is(house.client, 1, 2)
                asked_before = len(players.attempts)
                await players.until_each_is_answered()
                assert {attempt.code for attempt in players.attempts[asked_before:]} <= {"NOT_READY", ""}
                resumed_ms = time.time() * 1000
                house.redis.start()
                await require_recovered(house, players, pid)
        await require_idle(house)
        await house.casino.until_caught_up()

        assert "OUTCOME_UNKNOWN" in players.codes()
        assert set(players.codes()) <= NOTHING_DONE | {"ok", "OUTCOME_UNKNOWN"}
        await require_answers_were_true(players, house.casino, resumed_ms)
        await house.casino.require_mirror()


# What can be read without Redis.


async def have_played(house: House) -> list[str]:
    """The player has pulled and rotated the seed, and Postgres has it; the addresses where that can be read."""
    pulled = await house.client.post(PULL, {})
    assert (await house.client.post(ROTATE, key="rotate")).status == 200
    await house.casino.until_caught_up()
    return [
        HISTORY,
        "/api/wallet/ledger",
        "/api/games/stats/42",
        "/api/profile/stats",
        "/api/rewards/users/42/rewards",
        f"/api/ops/{pulled.headers['Op-Id']}",
        f"/api/fairness/receipts/{pulled.json['receipt']['event_id']}",
    ]


@pytest.mark.parametrize("fresh", [False, True], ids=["a worker that knew it", "a worker that never did"])
async def test_given_no_redis_when_reading_then_postgres_answers_and_what_needs_redis_is_503(
    tmp_path: Path, database_url: str, fresh: bool
) -> None:
    async with open_house(tmp_path, database_url) as house:
        paths = await have_played(house)
        before = {path: (await house.client.get(path)).json for path in paths}
        assert before[paths[-1]]["server_seed"]
        house.redis.kill()
        async with house.another_worker() if fresh else contextlib.nullcontext(house.client) as client:
            await until_breaker_is(client, 1, 2)

            for path in paths:
                reply = await client.get(path)
                assert reply.status == 200, (path, reply.body)
                assert reply.json | {"checked_at": None} == before[path] | {"checked_at": None}

            for path in LIVE:
                refused = await client.get(path)
                assert_is_error(refused, 503, "NOT_READY")
                assert int(refused.headers["Retry-After"]) >= 1
            assert_is_error(await client.post(PULL, {}), 503, "NOT_READY")
            for path in ("/openapi.json", "/docs", "/health"):
                assert (await client.get(path, bearer="")).status == 200
            ready = assert_is_error(await client.get("/ready", bearer=""), 503, "NOT_READY")
            assert {"redis", "partition"} <= set(ready["failed"])
            assert ready["checks"]["redis"] == "cannot be reached: the circuit breaker is open"


async def test_given_no_redis_when_a_player_reads_too_much_then_429_for_that_one_until_redis_is_back(
    tmp_path: Path, database_url: str
) -> None:
    variables = {"CROUPIER_READS_WITHOUT_REDIS_PER_MINUTE": str(READS_PER_MINUTE)}
    async with open_house(tmp_path, database_url, variables, keeps=True) as house:
        client = house.client
        for _ in range(2 * READS_PER_MINUTE):
            assert (await client.get(HISTORY)).status == 200
        house.redis.kill()
        await until_breaker_is(client, 1, 2)

        replies = [await client.get(HISTORY) for _ in range(2 * READS_PER_MINUTE)]

        assert [reply.status for reply in replies[:READS_PER_MINUTE]] == [200] * READS_PER_MINUTE
        refused = next(reply for reply in replies if reply.status != 200)
        body = assert_is_error(refused, 429, "RATE_LIMITED")
        assert (body["scope"], body["window"], body["limit_per_second"], body["limit_per_minute"]) == (
            "reads", "minute", 0, READS_PER_MINUTE,
        )  # fmt: skip
        wait_s = int(refused.headers["Retry-After"])
        assert 1 <= wait_s <= 60 / READS_PER_MINUTE
        assert refused.headers["RateLimit-Policy"] == f'"minute";q={READS_PER_MINUTE};w=60'
        assert refused.headers["RateLimit"] == f'"minute";r=0;t={wait_s}'
        hits = 'game_rate_limit_hits_total{endpoint="games_history_v1",user_tier="VIP"}'
        refusals = sum(reply.status == 429 for reply in replies)
        assert (await house.metrics())[hits] == refusals
        assert (await client.get(HISTORY, bearer=token(7))).status == 200
        assert_is_error(await client.get(WALLET), 503, "NOT_READY")

        house.redis.start()
        await until_ready(client)
        for _ in range(2 * READS_PER_MINUTE):
            assert (await client.get(HISTORY)).status == 200


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("per_minute", [1, 7, 60, 1_000])
def test_given_a_full_bucket_when_time_passes_then_it_takes_as_many_as_have_leaked(per_minute: int) -> None:
    clock = Clock()
    buckets = LeakyBuckets(per_minute, clock)
    assert [buckets.take(1) for _ in range(per_minute)] == [0.0] * per_minute

    wait_s = buckets.take(1)
    assert wait_s == pytest.approx(60 / per_minute)
    assert buckets.take(1) == wait_s  # what was refused is not counted
    clock.now_s += wait_s / 2
    assert buckets.take(1) == pytest.approx(wait_s / 2)
    clock.now_s += wait_s / 2
    assert buckets.take(1) == 0.0
    assert buckets.take(1) > 0.0
    clock.now_s += 3_600
    assert [buckets.take(1) for _ in range(per_minute)] == [0.0] * per_minute
    assert buckets.take(1) > 0.0


def test_given_many_players_when_they_read_then_the_buckets_kept_are_bounded_and_the_idlest_is_forgotten() -> (
    None
):
    clock = Clock()
    buckets = LeakyBuckets(1, clock, players_max=100)
    for uid in range(1_000):
        clock.now_s += 0.001
        assert buckets.take(uid) == 0.0
        assert len(buckets) <= 100
    assert buckets.take(999) > 0.0
    assert buckets.take(0) == 0.0
    clock.now_s += 3_600
    for _ in range(100):
        assert buckets.take(5_000) == 0.0
        clock.now_s += 60
    assert len(buckets) == 1
