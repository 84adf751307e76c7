"""The questions over HTTP: who may ask, what is asked of whom, and what is said where ClickHouse is away or off."""

import socket
from collections.abc import AsyncIterator

import pytest

from croupier_cli.embedded.clickhouse import ClickHouse
from croupier_client import Client as PythonClient
from tests.analytics.town import Played
from tests.http.support import Client, assert_is_error, running, settings_for, token

FUNNEL = "/api/analytics/funnels/buy"
PATHS = (FUNNEL, "/api/analytics/odds", "/api/analytics/rtp", "/api/analytics/retention")
ADMIN = token(1, role="admin")


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    """A client of a worker without ClickHouse."""
    async with running(settings_for(redis_url)) as running_client:
        yield running_client


async def test_given_a_worker_with_clickhouse_when_an_admin_asks_then_each_question_is_answered(
    played: Played, redis_url: str, clickhouse_server: ClickHouse
) -> None:
    async with running(settings_for(redis_url, clickhouse_url=clickhouse_server.url)) as client:
        for path in PATHS:
            reply = await client.get(path, bearer=ADMIN)
            assert reply.status == 200, reply.body
        # What was played lies further back than the days that may be asked for.
        stages = (await client.get(f"{FUNNEL}?days=3", bearer=ADMIN)).json
        assert [(each["stage"], each["count"]) for each in stages] == [
            ("open_shop", 0),
            ("buy_click", 0),
            ("buy_success", 0),
        ]
        assert all(each["as_of"].endswith("Z") for each in stages)
        async with PythonClient(client.url, ADMIN) as asker:
            assert [stage.count for stage in await asker.funnel(days=3)] == [0, 0, 0]
            assert (await asker.drawn_odds(days=1, banner="main")).items == []
            assert (await asker.rtp()).items == []
            assert (await asker.retention(days=90)).total == 0
        metrics = (await client.get("/metrics", bearer="")).body.decode()
        assert "# TYPE fairness_odds_p_value gauge" in metrics


async def test_given_a_player_or_nobody_when_they_ask_then_it_is_refused(client: Client) -> None:
    for path in PATHS:
        assert_is_error(await client.get(path), 403, "FORBIDDEN")
        assert_is_error(await client.get(path, bearer=""), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "query", ["days=0", "days=91", "days=-1", "days=1.5", "days=x", "days=1&days=2", "since=1"]
)
async def test_given_days_out_of_bounds_when_asked_for_then_the_field_is_named(
    client: Client, query: str
) -> None:
    for path in PATHS:
        body = assert_is_error(await client.get(f"{path}?{query}", bearer=ADMIN), 422, "VALIDATION_ERROR")
        assert body["details"]["field"] == query.partition("=")[0]


async def test_given_a_banner_that_is_no_name_when_odds_are_asked_for_then_it_is_refused(
    client: Client,
) -> None:
    reply = await client.get("/api/analytics/odds?banner=x'%20OR%20'1'='1", bearer=ADMIN)

    assert_is_error(reply, 422, "VALIDATION_ERROR")


async def test_given_a_server_without_clickhouse_when_asked_then_503_says_which_variable_to_set(
    client: Client,
) -> None:
    for path in PATHS:
        body = assert_is_error(await client.get(path, bearer=ADMIN), 503, "NOT_READY")
        assert "CLICKHOUSE_URL" in body["message"]


async def test_given_a_clickhouse_that_is_away_when_asked_then_503_without_its_address_and_the_rest_works(
    redis_url: str,
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://someone:secret@127.0.0.1:{closed.getsockname()[1]}/casino"
        async with running(settings_for(redis_url, clickhouse_url=url)) as client:
            for path in PATHS:
                reply = await client.get(path, bearer=ADMIN)
                assert_is_error(reply, 503, "NOT_READY")
                assert reply.headers["Retry-After"] == "1"
                assert b"secret" not in reply.body and b"127.0.0.1" not in reply.body
            assert (await client.get("/metrics", bearer="")).status == 200
            assert (await client.post("/api/games/gacha/pull")).status == 200
