"""The pages that the server has about itself."""

import os
import re

import asyncpg
import pytest

from croupier.economy import load_economy
from croupier.scripts import Scripts
from croupier.standalone import open_without_postgres
from croupier.transport import Transport
from croupier_schemas import keys
from croupier_sync.migrations import migrate
from tests.http.support import PULL, WALLET, Client, assert_is_error, running, settings_for, token, until
from tests.redis_server import administrator


def samples(exposition: bytes) -> dict[str, float]:
    """Metrics by name and labels, as Prometheus' text format writes them."""
    lines = (line.rpartition(" ") for line in exposition.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def test_given_a_server_without_postgres_when_asked_for_its_health_then_it_says_so(
    client: Client,
) -> None:
    health = (await client.get("/health", bearer="")).json

    assert (health["status"], health["worker_pid"], health["postgres"]) == ("live", os.getpid(), False)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", health["version"])
    assert health["uptime_s"] >= 0
    assert "DATABASE_URL" in health["warnings"][0]


async def test_given_a_server_with_all_it_needs_when_asked_then_ready(client: Client) -> None:
    reply = await client.get("/ready", bearer="")

    assert (reply.status, reply.json["checks"]) == (
        200,
        {"redis": "ok", "partition": "ok", "room": "ok", "replicas": "ok"},
    )


async def test_given_a_closed_partition_when_asked_then_not_ready_names_it_though_the_process_lives(
    client: Client, redis_url: str
) -> None:
    with administrator(redis_url) as plain:
        plain.hset(keys.head(0), "fence", "")

    reply = await client.get("/ready", bearer="")

    body = assert_is_error(reply, 503, "NOT_READY")
    assert body["failed"] == ["partition"]
    assert int(reply.headers["Retry-After"]) >= 1
    assert (await client.get("/health")).status == 200


async def test_given_a_postgres_when_its_tables_are_missing_then_degraded_until_they_are_there(
    redis_url: str, empty_database_url: str
) -> None:
    transport = Transport(redis_url)
    await transport.open()
    await open_without_postgres(transport, Scripts(), load_economy())
    await transport.close()
    async with running(settings_for(redis_url, database_url=empty_database_url), ready=False) as client:

        async def only_postgres_fails() -> bool:
            reply = await client.get("/ready")
            return reply.status == 200 and reply.json["failed"] == ["postgres"]

        await until(only_postgres_fails, "degraded for want of tables")
        assert (await client.get("/ready")).json["status"] == "degraded"
        assert "croupier migrate" in (await client.get("/ready")).json["checks"]["postgres"]
        assert (await client.get("/health")).json["postgres"] is True

        connection = await asyncpg.connect(empty_database_url)
        await migrate(connection)
        await connection.close()

        assert (await client.get("/ready")).json["checks"]["postgres"] == "ok"
        exposition = samples((await client.get("/metrics")).body)
        assert 'game_gacha_daily_remaining{user_tier="VIP"}' in exposition


async def test_given_requests_and_commands_when_scraped_then_they_are_counted_by_operation_and_outcome(
    client: Client,
) -> None:
    before = samples((await client.get("/metrics")).body)
    await client.post(PULL, key="k")
    await client.post(PULL, key="k")
    await client.post(PULL, {"banner": "none-such"})
    await client.post(PULL, {"count": 2})
    await client.get(WALLET, bearer="")
    await client.get("/nowhere/at/all")
    await client.request("PUT", WALLET)

    reply = await client.get("/metrics", bearer="")
    after = samples(reply.body)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert reply.headers["Content-Type"].startswith("text/plain")
    assert grown('http_requests_total{operation="games_gacha_pull_v1",status="200"}') == 2
    assert grown('http_requests_total{operation="games_gacha_pull_v1",status="404"}') == 1
    assert grown('http_requests_total{operation="games_gacha_pull_v1",status="422"}') == 1
    assert grown('http_requests_total{operation="wallet_v1",status="401"}') == 1
    assert grown('http_requests_total{operation="unknown",status="404"}') == 1
    assert grown('http_requests_total{operation="unknown",status="405"}') == 1
    assert grown('game_commands_total{command="gacha.pull",outcome="ok"}') == 1
    assert grown('game_commands_total{command="gacha.pull",outcome="replayed"}') == 1
    assert grown('game_commands_total{command="gacha.pull",outcome="BANNER_NOT_FOUND"}') == 1
    assert grown('http_request_duration_seconds_count{operation="games_gacha_pull_v1"}') == 4
    assert after["http_requests_in_flight"] == 1
    for name in ("redis_in_flight", "redis_reconnects_total", "redis_unknown_outcomes_total"):
        assert name in after
    assert not [name for name in after if "nowhere" in name]


async def test_given_limited_stock_when_scraped_then_what_remains_is_shown_per_banner_and_rarity(
    client: Client, redis_url: str
) -> None:
    stocks = {
        (banner["name"], rarity): left
        for banner in (await client.get("/api/games/gacha/banners")).json["items"]
        for rarity, left in banner["remaining_stock"].items()
        if left is not None
    }
    shown = samples((await client.get("/metrics")).body)

    assert stocks
    for (banner, rarity), left in stocks.items():
        assert shown[f'game_gacha_pool_remaining{{banner="{banner}",rarity="{rarity}"}}'] == left


async def test_given_the_documentation_when_asked_for_then_it_loads_nothing_and_may_do_nothing(
    client: Client,
) -> None:
    reply = await client.get("/docs", bearer="")
    page = reply.body.decode()
    policy = reply.headers["Content-Security-Policy"]

    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert (reply.headers["X-Content-Type-Options"], reply.headers["Referrer-Policy"]) == (
        "nosniff",
        "no-referrer",
    )
    assert not re.search(r"<script|<link|<img|<iframe|\bon\w+=|url\(|@import", page)
    assert {link for link in re.findall(r'href="([^"]*)"', page) if not link.startswith("#")} == {
        "/openapi.json"
    }
    for path in (
        PULL,
        "/api/fairness/receipts/{event_id}",
        "/ready",
        "INSUFFICIENT_BALANCE",
        "Idempotency-Key",
    ):
        assert path in page
    anchors = set(re.findall(r'href="#([^"]*)"', page))
    ids = re.findall(r'id="([^"]*)"', page)
    assert anchors <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/openapi.json", "/docs"])
async def test_given_a_page_when_asked_for_with_a_secret_about_then_it_is_not_in_it(
    client: Client, path: str
) -> None:
    bearer = token()
    settings = settings_for("")

    reply = await client.get(path, bearer=bearer)

    for secret in (bearer, settings.jwt_secret_key, settings.master_keys.partition(":")[2]):
        assert secret not in reply.body.decode()
