"""Queries over HTTP: parameters from path and query string, who may ask, and what happens without Postgres."""

from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from croupier import registry
from croupier.command import Caller
from croupier.query import NoParams, Query, Sources
from tests.http.support import (
    PULL,
    WALLET,
    Client,
    assert_is_error,
    dump,
    running,
    settings_for,
    token,
    until,
)


class EchoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of every kind."""

    user_id: Annotated[int, Meta(ge=1)]
    page_size: Annotated[int, Meta(ge=1, le=100)] = 20
    unread: bool = False


class Echo(msgspec.Struct, frozen=True):
    """What arrived."""

    asked_by: int
    params: EchoParams


async def _echo(_sources: Sources, caller: Caller, params: EchoParams) -> Echo:
    return Echo(caller.uid, params)


ECHO = Query(
    name="echo", path="/api/echo/{user_id}", summary="Repeat the parameters", params=EchoParams, reply=Echo,
    answer=_echo, access="admin",
)  # fmt: skip


async def _kept(sources: Sources, _caller: Caller, _params: NoParams) -> Echo:
    return Echo(await sources.pool.fetchval("SELECT 1"), EchoParams(1))


KEPT = Query(
    name="kept",
    path="/api/kept",
    summary="Something from Postgres",
    params=NoParams,
    reply=Echo,
    answer=_kept,
)


@pytest.fixture
def with_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """An admin's query, and one that Postgres answers, beside the real ones."""
    queries = (*registry.QUERIES, ECHO, KEPT)
    monkeypatch.setattr("croupier_http.build.QUERIES", queries)
    monkeypatch.setattr("croupier_http.openapi.QUERIES", queries)


admin = partial(token, role="admin")


async def test_given_a_player_when_asking_then_every_query_without_parameters_answers_from_the_live_state(
    client: Client, redis_url: str
) -> None:
    await client.post(PULL, {"count": 10})
    state = dump(redis_url)

    banners = (await client.get("/api/games/gacha/banners")).json
    odds = (await client.get("/api/games/gacha/odds")).json
    stats = (await client.get("/api/games/gacha/stats")).json
    wallet = (await client.get(WALLET)).json

    assert banners["total"] == len(banners["items"]) >= 3
    assert odds["economy"] == banners["economy"]
    assert stats["draws"] == sum(stats["rarity_counts"].values()) == 10
    assert wallet == {"user_id": 42, "tokens": 50_000, "gems": 0}
    assert dump(redis_url) == state


async def test_given_a_pull_when_its_receipt_is_asked_for_then_only_its_player_and_admins_see_it(
    client: Client,
) -> None:
    event_id = (await client.post(PULL)).json["receipt"]["event_id"]
    path = f"/api/fairness/receipts/{event_id}"

    assert (await client.get(path)).json["event_id"] == event_id
    assert (await client.get(path, bearer=admin(7))).status == 200
    assert_is_error(await client.get(path, bearer=token(7)), 404, "RECEIPT_NOT_FOUND")
    for other in ("0-1-0", "0-1-999", "x", "0-1-1%0A", "0-1-9007199254740993"):
        reply = await client.get(f"/api/fairness/receipts/{other}")
        assert_is_error(reply, 404, "RECEIPT_NOT_FOUND")


@pytest.mark.usefixtures("with_echo")
async def test_given_parameters_in_path_and_query_when_asking_then_they_are_converted(redis_url: str) -> None:
    async with running(settings_for(redis_url)) as client:
        reply = await client.get("/api/echo/7?page_size=5&unread=true", bearer=admin(1))
        alias = await client.get("/api/echo/7?pageSize=5", bearer=admin(1))
        encoded = await client.get("/api/echo/%37", bearer=admin(1))

    assert reply.json == {"asked_by": 1, "params": {"user_id": 7, "page_size": 5, "unread": True}}
    assert alias.json["params"]["page_size"] == 5
    assert encoded.json["params"]["user_id"] == 7


@pytest.mark.usefixtures("with_echo")
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/echo/x", "user_id"),
        ("/api/echo/0", "user_id"),
        ("/api/echo/7?user_id=8", "user_id"),
        ("/api/echo/7?page_size=101", "page_size"),
        ("/api/echo/7?page_size=1e400", "page_size"),
        ("/api/echo/7?page_size=", "page_size"),
        ("/api/echo/7?page_size=5&pageSize=5", "page_size"),
        ("/api/echo/7?unread=maybe", "unread"),
        ("/api/echo/7?other=1", "other"),
    ],
)
async def test_given_parameters_that_break_the_schema_when_asking_then_422_names_the_field(
    redis_url: str, path: str, field: str
) -> None:
    async with running(settings_for(redis_url)) as client:
        reply = await client.get(path, bearer=admin(1))

    assert assert_is_error(reply, 422, "VALIDATION_ERROR")["details"]["field"] == field


@pytest.mark.usefixtures("with_echo")
async def test_given_an_admins_query_when_a_player_asks_then_403(redis_url: str) -> None:
    async with running(settings_for(redis_url)) as client:
        assert_is_error(await client.get("/api/echo/7"), 403, "FORBIDDEN")
        operation = (await client.get("/openapi.json")).json["paths"]["/api/echo/{user_id}"]["get"]

    assert "403" in operation["responses"]
    places = {
        parameter["name"]: parameter["in"] for parameter in operation["parameters"] if "name" in parameter
    }
    assert places == {"user_id": "path", "page_size": "query", "unread": "query"}


@pytest.mark.usefixtures("with_echo")
async def test_given_no_postgres_when_asking_for_what_it_keeps_then_503_with_retry_after(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url)) as client:
        reply = await client.get("/api/kept")

    assert_is_error(reply, 503, "NOT_READY")
    assert int(reply.headers["Retry-After"]) >= 1


@pytest.mark.usefixtures("with_echo")
async def test_given_a_postgres_that_cannot_be_reached_when_asking_then_503_and_commands_go_on(
    redis_url: str, tmp_path: Path
) -> None:
    async with running(settings_for(redis_url)):
        pass  # opens the partition
    async with running(
        settings_for(redis_url, database_url=f"postgres:///x?host={tmp_path}"), ready=False
    ) as client:
        await until_answered(client, PULL)

        reply = await client.get("/api/kept")

        assert_is_error(reply, 503, "NOT_READY")
        assert str(tmp_path) not in reply.body.decode()
        assert (await client.post(PULL)).status == 200


async def until_answered(client: Client, path: str) -> None:
    """Wait until the worker has found Redis."""

    async def answered() -> bool:
        return (await client.post(path)).status == 200

    await until(answered, path)
