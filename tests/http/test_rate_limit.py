"""A player's rate limit as clients and operators see it."""

from pathlib import Path
from typing import Any

import pytest

from croupier.economy import canonical
from tests.commands.economies import banner, economy
from tests.http.support import PULL, Client, assert_is_error, running, settings_for, token
from tests.http.test_pages import samples

BEARER = token(uid=7, tier="STANDARD")
HITS = 'game_rate_limit_hits_total{endpoint="games_gacha_pull_v1",user_tier="STANDARD"}'


@pytest.fixture
def limited(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An economy file with 2 calls a minute for STANDARD, in the mode that the test asks for."""
    rates = {"STANDARD": {"per_second": 2, "per_minute": 2}}
    settings = economy({"standard": banner()}, rate_limit={"mode": request.param, "games": rates})
    path = tmp_path / "economy.json"
    path.write_bytes(canonical(settings))
    return str(path)


async def pull(client: Client, **options: Any) -> Any:
    return await client.post(PULL, {}, bearer=options.pop("bearer", BEARER), **options)


async def hits(client: Client) -> float:
    return samples((await client.get("/metrics", bearer="")).body).get(HITS, 0.0)


@pytest.mark.parametrize("limited", ["enforce"], indirect=True)
async def test_given_a_full_minute_when_a_player_calls_then_429_says_what_is_full_and_when_to_come_back(
    redis_url: str, limited: str
) -> None:
    async with running(settings_for(redis_url, economy=limited)) as client:
        before = await hits(client)
        for _ in range(2):
            assert (await pull(client, key="same" if _ else None)).status == 200

        reply = await pull(client)

        body = assert_is_error(reply, 429, "RATE_LIMITED")
        assert (body["scope"], body["window"], body["limit_per_second"], body["limit_per_minute"]) == (
            "games", "minute", 2, 2,
        )  # fmt: skip
        wait_s = int(reply.headers["Retry-After"])
        assert 0 < wait_s <= 60
        assert reply.headers["RateLimit-Policy"] == '"second";q=2;w=1, "minute";q=2;w=60'
        assert reply.headers["RateLimit"] == f'"minute";r=0;t={wait_s}'
        assert (await pull(client, key="same")).headers["Idempotent-Replayed"] == "true"
        assert (await pull(client, bearer=token(uid=8, tier="STANDARD"))).status == 200
        assert await hits(client) == before + 1


@pytest.mark.parametrize("limited", ["shadow"], indirect=True)
async def test_given_shadow_mode_when_the_minute_is_full_then_the_call_runs_and_a_header_says_so(
    redis_url: str, limited: str
) -> None:
    async with running(settings_for(redis_url, economy=limited)) as client:
        before = await hits(client)
        replies = [await pull(client) for _ in range(4)]

        assert [reply.status for reply in replies] == [200] * 4
        assert [reply.headers.get("X-RateLimit-Sim") for reply in replies] == [
            None,
            None,
            "blocked",
            "blocked",
        ]
        assert await hits(client) == before + 2
