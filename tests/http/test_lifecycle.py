"""Whole servers: start, several workers, the death of one, Redis lost, and the end."""

import asyncio
import contextlib
import os
import signal
import socket
from collections import Counter
from pathlib import Path
from typing import Final

import aiohttp
import psutil
import pytest
from msgspec.structs import replace

from croupier_cli.embedded import Valkey
from croupier_schemas import keys
from tests.http.served import serving, starting
from tests.http.support import (
    PULL,
    WALLET,
    Client,
    assert_is_error,
    dump,
    parsed,
    pull_head,
    settings_for,
    token,
    until,
    until_ready,
)
from tests.http.test_pages import samples
from tests.redis_server import administrator, login, started_valkey
from tests.transport.proxy import Direction, Kind, Proxy
from tests.ws.support import connected

NAMES: Final = {
    "pulls": 'http_requests_total{operation="games_gacha_pull_v1",status="200"}',
    "sockets": 'websocket_connections{kind="player"}',
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def worker_pids(client: Client, count: int) -> set[int]:
    """The processes that answer, once there are so many."""
    pids: set[int] = set()

    async def all_have_answered() -> bool:
        pids.add((await client.get("/health")).json["worker_pid"])
        return len(pids) >= count

    await until(all_have_answered, f"{count} workers")
    return pids


async def test_given_two_workers_when_one_is_killed_then_the_other_serves_and_a_new_one_follows(
    redis_url: str,
) -> None:
    async with serving(settings_for(redis_url, workers=2)) as (server, client):
        await until_ready(client)
        first = await worker_pids(client, 2)
        victim = min(first)
        os.kill(victim, signal.SIGKILL)

        async def replaced() -> bool:
            return len(server.events("worker started")) == 3

        await until(replaced, "a third worker")
        await until_ready(client)
        assert (await client.get(WALLET)).status == 200
        second = await worker_pids(client, 2)

        assert victim not in second
        assert len(first & second) == 1
        assert server.events("worker died; another one follows")[0]["exit_code"] == -signal.SIGKILL


async def test_given_a_worker_when_asked_to_stop_by_itself_then_a_new_one_follows_and_nothing_is_said_to_have_died(
    redis_url: str,
) -> None:
    async with serving(settings_for(redis_url)) as (server, client):
        await until_ready(client)
        first = (await server.event("worker started"))["worker_pid"]
        os.kill(first, signal.SIGTERM)
        await server.event("worker stopped; another one follows")
        await until_ready(client)

        assert (await client.get("/health")).json["worker_pid"] != first
        assert server.events("worker died; another one follows") == []


async def opened_at(client: Client, pids: set[int], stack: contextlib.AsyncExitStack) -> int:
    """Open a WebSocket that stays open; which of these processes has it."""
    socket_of_client = await stack.enter_async_context(connected(client))
    _, port = socket_of_client.ws.get_extra_info("sockname")
    (pid,) = (
        pid
        for pid in pids
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.raddr and connection.raddr.port == port
    )
    return pid


async def until_shown(client: Client, **expected: float) -> None:
    """Until `/metrics` has these values, whichever worker answers."""

    async def is_so() -> bool:
        shown = samples((await client.get("/metrics")).body)
        return all(shown.get(NAMES[name]) == value for name, value in expected.items())

    await until(is_so, f"the metrics {expected}")


async def test_given_two_workers_when_one_is_killed_then_its_counts_stay_its_gauges_go_and_the_next_one_adds_to_them(
    redis_url: str, tmp_path: Path
) -> None:
    left_over = tmp_path / "gauge_livesum_1.db"
    left_over.write_bytes(b"of an earlier run")
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    async with (
        serving(settings_for(redis_url, workers=2), **variables) as (server, client),
        contextlib.AsyncExitStack() as stack,
    ):
        await until_ready(client)
        for uid in range(1, 31):
            assert (await client.post(PULL, bearer=token(uid))).status == 200
        pids, sockets = await worker_pids(client, 2), Counter[int]()
        while len(sockets) < 2:  # the kernel deals connections out to the two
            sockets[await opened_at(client, pids, stack)] += 1
        await until_shown(client, pulls=30, sockets=sockets.total())

        victim, survivor = sockets
        os.kill(victim, signal.SIGKILL)

        async def replaced() -> bool:
            return len(server.events("worker started")) == 3

        await until(replaced, "a third worker")
        await until_ready(client)
        await until_shown(client, pulls=30, sockets=sockets[survivor])
        for uid in range(1, 31):
            assert (await client.post(PULL, bearer=token(uid))).status == 200
        await until_shown(client, pulls=60, sockets=sockets[survivor])

        living = await worker_pids(client, 2)
        gauges = {path.name for path in tmp_path.glob("gauge_livesum_*.db")}
        assert gauges == {f"gauge_livesum_{pid}.db" for pid in living}


async def test_given_a_port_in_use_when_started_then_one_line_exit_code_2_and_no_worker(
    redis_url: str,
) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        async with starting(settings_for(redis_url, http_port=port, workers=2)) as server:
            assert await server.ended() == 2
    assert len(server.lines) == 1
    assert f"127.0.0.1:{port}" in server.lines[0]
    assert dump(redis_url) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"jwt_secret_key": "short"}, "JWT_SECRET_KEY"),
        ({"master_keys": "1:nonsense"}, "CROUPIER_MASTER_KEYS"),
        ({"redis_url": "http://127.0.0.1"}, "REDIS_URL"),
        ({"cors_origins": "nonsense"}, "CROUPIER_CORS_ORIGINS"),
        ({"trusted_proxies": "nonsense"}, "CROUPIER_TRUSTED_PROXIES"),
        ({"economy": "/dev/null"}, "CROUPIER_ECONOMY"),
    ],
)
async def test_given_unusable_settings_when_started_then_one_line_and_exit_code_2(
    redis_url: str, changes: dict[str, str], said: str
) -> None:
    async with starting(replace(settings_for(redis_url), **changes)) as server:
        assert await server.ended() == 2
    assert len(server.lines) == 1
    assert said in server.lines[0]
    assert not any(secret in line for secret in ("short", ":nonsense") for line in server.lines)


async def test_given_a_redis_that_evicts_when_started_then_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with started_valkey(tmp_path, extra=("--maxmemory-policy", "allkeys-lru")) as valkey:
        async with starting(settings_for(valkey.url, workers=2)) as server:
            assert await server.ended() == 2
        assert len(server.lines) == 1
        assert "maxmemory-policy is allkeys-lru" in server.lines[0]
        assert dump(valkey.url) == {}


async def test_given_a_redis_kept_by_a_postgres_when_started_without_it_then_one_line_and_exit_code_2(
    redis_url: str,
) -> None:
    async with serving(settings_for(redis_url)) as (_, client):
        await until_ready(client)
    with administrator(redis_url) as plain:
        plain.hset(keys.head(0), "installation", "another")
    state = dump(redis_url)

    async with starting(settings_for(redis_url)) as server:
        assert await server.ended() == 2
    assert len(server.lines) == 1
    assert "DATABASE_URL" in server.lines[0]
    assert dump(redis_url) == state


async def test_given_redis_lost_when_pulling_then_503_at_once_and_200_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    port = free_port()
    with started_valkey(tmp_path, port=port) as valkey:
        url = valkey.url
        async with serving(settings_for(url)) as (server, client):
            await until_ready(client)
            before = (await client.post(PULL)).json
            valkey.stop()

            reply = await client.post(PULL)
            assert_is_error(reply, 503, "NOT_READY")
            assert int(reply.headers["Retry-After"]) >= 1
            assert (await client.get("/ready")).json["failed"] == ["redis", "partition"]
            assert (await client.get("/health")).status == 200

            with started_valkey(tmp_path, port=port):
                await until_ready(client)
                after = (await client.post(PULL)).json
            assert after["balance"] == before["balance"] - 5_000
            assert after["receipt"]["event_id"].startswith("0-2-")
            assert samples((await client.get("/metrics")).body)["redis_reconnects_total"] >= 1
            assert not [line for line in server.lines if "Traceback" in line]


async def test_given_no_redis_yet_when_started_then_it_answers_503_until_there_is_one(tmp_path: Path) -> None:
    port = free_port()
    async with serving(settings_for(login(port))) as (_, client):
        assert_is_error(await client.post(PULL), 503, "NOT_READY")
        assert_is_error(await client.get("/ready"), 503, "NOT_READY")

        with started_valkey(tmp_path, port=port):
            await until_ready(client)
            assert (await client.post(PULL)).status == 200


async def test_given_a_redis_that_comes_later_when_it_evicts_then_the_server_ends_with_exit_code_2(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with starting(settings_for(login(port), workers=2)) as server:
        await server.event("listening")
        with started_valkey(tmp_path, port=port, extra=("--maxmemory-policy", "allkeys-lru")):
            assert await server.ended() == 2
    assert any("maxmemory-policy is allkeys-lru" in line for line in server.lines)
    assert not [line for line in server.lines if "Traceback" in line]


async def test_given_a_reply_of_redis_that_is_lost_when_pulling_then_the_outcome_is_unknown_until_asked_again(
    valkey: Valkey, redis_url: str
) -> None:
    async with Proxy(str(valkey.socket_path)) as proxy, serving(settings_for(proxy.url)) as (server, client):
        await until_ready(client)
        assert (await client.post(PULL, key="first")).status == 200
        asked = keys.idempotency(0, 42, "second").encode()
        cut = proxy.disturb(Direction.REPLIES, Kind.CUT, after_bytes=0, asked=asked)

        lost = await client.post(PULL, key="second")
        assert cut.reached.is_set()
        assert_is_error(lost, 503, "OUTCOME_UNKNOWN")
        assert len(bytes.fromhex(lost.headers["Op-Id"])) == 16
        assert "Retry-After" in lost.headers

        await until_ready(client)
        again = await client.post(PULL, key="second")
        assert again.status == 200
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json["balance"] == 90_000
        assert lost.headers["Op-Id"] in {event.get("op_id") for event in server.events("request failed")}


async def test_given_a_request_in_flight_when_the_server_is_stopped_then_it_is_finished_and_no_other_begun(
    valkey: Valkey, redis_url: str
) -> None:
    async with Proxy(str(valkey.socket_path)) as proxy, serving(settings_for(proxy.url)) as (server, client):
        await until_ready(client)
        assert (await client.post(PULL)).status == 200
        asked = keys.player(0, 42).encode()
        held = proxy.disturb(Direction.REPLIES, Kind.HOLD, after_bytes=0, asked=asked)
        in_flight = asyncio.create_task(client.raw(pull_head(), until_closed=True))
        await held.reached.wait()

        server.process.terminate()

        async def refused() -> bool:
            try:
                await client.get("/health")
            except aiohttp.ClientConnectionError:
                return True
            return False

        await until(refused, "no further connection is accepted")
        assert not in_flight.done()
        held.release()

        reply = parsed(await in_flight)
        assert (reply.status, reply.json["balance"]) == (200, 90_000)
        assert reply.headers["Connection"] == "close"
        assert await server.ended() == 0
        assert not [line for line in server.lines if "Traceback" in line]


async def test_given_the_supervisor_is_killed_when_its_workers_notice_then_they_end(redis_url: str) -> None:
    async with serving(settings_for(redis_url, workers=2)) as (server, client):
        await until_ready(client)
        pids = await worker_pids(client, 2)
        server.process.kill()

        async def nobody_answers() -> bool:
            try:
                await client.get("/health")
            except aiohttp.ClientConnectionError:
                return True
            return False

        try:
            await until(nobody_answers, "the workers are gone")
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


async def test_given_a_server_at_work_when_its_log_is_read_then_lines_have_request_ids_and_no_secrets(
    redis_url: str,
) -> None:
    settings = settings_for(redis_url, log_level="debug")
    bearer = token()
    async with serving(settings) as (server, client):
        await until_ready(client)
        await client.post(PULL, bearer=bearer, headers={"X-Request-Id": "find-me"})
        await client.get(f"{WALLET}?token={bearer}", headers={"X-Request-Id": "find-me-too"})
        await client.raw(f"GET /?token={bearer} NONSENSE/1\r\n\r\n".encode(), until_closed=True)
    log = "\n".join(server.lines)

    assert [event["operation"] for event in server.events("request") if event["request_id"] == "find-me"] == [
        "games_gacha_pull_v1"
    ]
    refusals = {event["request_id"]: event["code"] for event in server.events("request refused")}
    assert refusals["find-me-too"] == "VALIDATION_ERROR"
    assert "MALFORMED_REQUEST" in refusals.values()
    for secret in (bearer, settings.jwt_secret_key, settings.master_keys.partition(":")[2]):
        assert secret not in log
    assert all(line.startswith("{") for line in server.lines), log


async def test_given_a_flood_of_refusals_when_logged_then_few_lines_say_how_many_were_left_out(
    redis_url: str,
) -> None:
    async with serving(settings_for(redis_url)) as (server, client):
        await until_ready(client)
        await asyncio.gather(*(client.get("/nowhere") for _ in range(200)))

    refusals = [event for event in server.events("request refused") if event["code"] == "NOT_FOUND"]
    assert 0 < len(refusals) < 200
