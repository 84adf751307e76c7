"""The deterministic mode, for the tests of client teams."""

from typing import Any

import pytest

from croupier.settings import Settings, SettingsError
from croupier_http.endpoints import CLOCK
from tests.http.support import PULL, Client, assert_is_error, dump, running, settings_for, token
from tests.redis_server import administrator

NOON_MS = 1_773_111_600_000  # 2026-03-10T12:00:00+09:00
DAY_MS = 86_400_000


def deterministic(redis_url: str, text: str = "our tests", **changes: Any) -> Settings:
    return settings_for(redis_url, deterministic_seed=text, **changes)


async def draws(redis_url: str, text: str) -> list[Any]:
    """What three pulls and the shown commitment are on an installation of its own."""
    with administrator(redis_url) as server:
        server.flushall()
    async with running(deterministic(redis_url, text)) as client:
        shown = (await client.get("/api/fairness")).json
        pulls = [(await client.post(PULL, {}, headers={CLOCK: str(NOON_MS)})).json for _ in range(3)]
    return [shown, *((pull["items"], pull["receipt"]["nonce"], pull["pity"]) for pull in pulls)]


async def test_given_the_same_text_when_played_on_two_installations_then_all_draws_are_the_same(
    redis_url: str,
) -> None:
    first = await draws(redis_url, "our tests")

    assert await draws(redis_url, "our tests") == first
    assert await draws(redis_url, "other tests") != first


async def test_given_the_clock_when_a_request_sets_it_then_the_game_lives_by_it_until_the_next_does(
    redis_url: str,
) -> None:
    bearer = token(tier="STANDARD")
    async with running(deterministic(redis_url)) as client:

        async def pull(**headers: str) -> Any:
            return await client.post(PULL, {}, bearer=bearer, headers=headers)

        for left in (2, 1, 0):
            assert (await pull(**{CLOCK: str(NOON_MS)})).json["daily_remaining"] == left
        body = assert_is_error(await pull(), 429, "DAILY_GACHA_LIMIT")
        assert body["resets_at"] == "2026-03-10T15:00:00Z"
        assert (await pull(**{CLOCK: str(NOON_MS + DAY_MS)})).json["daily_remaining"] == 2
        assert (await pull(**{CLOCK: "0"})).status == 200  # the server's clock again


@pytest.mark.parametrize("text", ["soon", "-1", "1e3", "", "99999999999999999", "0" * 16 + "9" * 20, "١٢"])
async def test_given_what_is_no_time_when_sent_as_the_clock_then_it_is_refused(
    redis_url: str, text: str
) -> None:
    async with running(deterministic(redis_url)) as client:
        assert_is_error(await client.post(PULL, {}, headers={CLOCK: text}), 422, "VALIDATION_ERROR")


async def test_given_a_usual_server_when_a_request_sets_the_clock_then_it_is_refused_and_nothing_is_done(
    client: Client, redis_url: str
) -> None:
    before = dump(redis_url)

    body = assert_is_error(
        await client.post(PULL, {}, headers={CLOCK: str(NOON_MS)}), 422, "VALIDATION_ERROR"
    )

    assert body["details"]["field"] == CLOCK
    assert dump(redis_url) == before


async def test_given_the_mode_when_health_is_asked_then_it_says_so(client: Client, redis_url: str) -> None:
    assert (await client.get("/health")).json["deterministic"] is False
    # On the Redis of the usual server it is not ready: the one's seeds are nothing for the other.
    async with running(deterministic(redis_url, rps_deterministic="win"), ready=False) as in_mode:
        assert (await in_mode.get("/ready")).status == 503
        health = (await in_mode.get("/health")).json
    assert health["deterministic"] is True
    assert [warning.split(" ")[0] for warning in health["warnings"][1:]] == [
        "CROUPIER_DETERMINISTIC_SEED", "CASINO_RPS_DETERMINISTIC",
    ]  # fmt: skip


def test_given_the_mode_and_several_workers_when_the_settings_are_read_then_they_say_why_not() -> None:
    with pytest.raises(SettingsError, match="CROUPIER_WORKERS=1"):
        Settings.from_environment({"CROUPIER_WORKERS": "2", "CROUPIER_DETERMINISTIC_SEED": "t"})


async def test_given_a_usual_server_when_a_query_sets_the_clock_then_it_is_refused(client: Client) -> None:
    reply = await client.get("/api/wallet", headers={CLOCK: str(NOON_MS)})

    assert_is_error(reply, 422, "VALIDATION_ERROR")
