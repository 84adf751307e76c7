"""Every command and every query through the client, with typed answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from croupier_client import Client, CroupierRefused, Stream
from croupier_client.operations import OPERATIONS
from croupier_schemas.gacha import GachaPullReply
from croupier_schemas.rewards import RewardsDistribute
from croupier_schemas.session import SessionEndReply
from tests.http.support import Client as Http
from tests.http.support import token
from tests.ws.support import House

Player = Client | Stream


def player(way: str, url: str, bearer: str = "") -> AbstractAsyncContextManager[Player]:
    """A client of that way, as player 42."""
    bearer = bearer or token()
    match way:
        case "http":
            return Client(url, bearer)
        case "ticket":
            return Stream(url, bearer, tickets=True)
    return Stream(url, bearer, protocol="json" if way == "json" else "msgpack")


WAYS = pytest.mark.parametrize("way", ["http", "msgpack", "json", "ticket"])


@WAYS
async def test_given_every_command_when_given_then_its_answer_is_of_its_type(server: Http, way: str) -> None:
    async with player(way, server.url) as me, player(way, server.url, token(1, role="admin")) as admin:
        opened = await me.start_session(game_type="slot")
        spun = await me.spin(bet_amount=100)
        ended = await me.end_session(opened.session_id)
        pulled = await me.pull(count=10, banner="standard")
        played = await me.play(player_move="ROCK", bet_amount=10)
        bet = await me.bet(bet_amount=100, auto_cashout=900.5)
        cashed = await me.cashout(game_id=bet.game_id)
        recorded = await me.record_action("open_shop", {"from": ["lobby"]})
        rotated = await me.rotate(client_seed="mine")
        granted = await admin.distribute(42, "GEMS", 7, "A test")

    assert spun.receipt.nonce == 1
    assert isinstance(ended, SessionEndReply) and ended.result_data.rounds == 1
    assert isinstance(pulled, GachaPullReply) and len(pulled.items) == 10
    assert played.player_move == "ROCK"
    assert (bet.game_id, cashed.balance) == (cashed.game_id, bet.balance + cashed.payout)
    assert (recorded.action_type, recorded.action_data) == ("open_shop", {"from": ["lobby"]})
    assert rotated.client_seed == "mine"
    assert rotated.revealed.commitment == pulled.receipt.commitment
    assert granted.gems == pulled.gems + 7
    assert opened.started_at.tzinfo is not None


@WAYS
async def test_given_a_refusal_when_raised_then_it_says_which_and_why_and_what_to_do(
    server: Http, way: str
) -> None:
    async with player(way, server.url) as me:
        with pytest.raises(CroupierRefused) as poor:
            await me.bet(bet_amount=99_999_999)
        with pytest.raises(CroupierRefused) as wrong:
            await me.call("gacha.pull", {"count": 3})
        with pytest.raises(CroupierRefused) as none:
            await me.cashout(game_id="none")
        with pytest.raises(CroupierRefused) as others:
            await me.distribute(43, "GEMS", 7, "A test")

    assert (poor.value.code, poor.value.status, poor.value.fields["max"]) == (
        "BET_OUT_OF_RANGE",
        422,
        1_000_000,
    )
    assert wrong.value.details["field"] == "count"
    assert "correct the request" in str(wrong.value)
    assert wrong.value.request_id and wrong.value.request_id in str(wrong.value)
    assert (none.value.code, others.value.code) == ("CRASH_NO_ACTIVE_BET", "FORBIDDEN")


@WAYS
async def test_given_a_key_of_one_s_own_when_used_twice_then_the_command_is_done_once(
    server: Http, way: str
) -> None:
    async with player(way, server.url) as me:
        first = await me.options(key="order-17").pull()
        again = await me.options(key="order-17", deadline_s=5).call("gacha.pull", {"count": 1})
        with pytest.raises(CroupierRefused, match="IDEMPOTENCY_KEY_REUSED"):
            await me.options(key="order-17").pull(count=10)
        other = await me.pull()

    assert again == first
    assert other.balance == first.balance - 5000


@WAYS
async def test_given_a_name_that_there_is_not_when_called_then_the_error_lists_what_there_is(
    server: Http, way: str
) -> None:
    async with player(way, server.url) as me:
        with pytest.raises(ValueError, match=r"gacha\.pull"):
            await me.call("gacha.push")


async def test_given_a_query_without_what_its_address_needs_when_called_then_the_error_names_it(
    server: Http,
) -> None:
    async with Client(server.url, token()) as me:
        with pytest.raises(ValueError, match="event_id"):
            await me.call("fairness.receipt")


async def test_given_a_query_when_asked_for_on_a_stream_then_the_error_says_where_to_ask(
    server: Http,
) -> None:
    async with Stream(server.url, token()) as stream:
        with pytest.raises(ValueError, match="over HTTP"):
            await stream.call("wallet")


@pytest.fixture
async def after_play(house: House) -> AsyncIterator[tuple[Client, Client, GachaPullReply]]:
    """Player 42 and an administrator, after a pull and a spin that Postgres has."""
    async with (
        Client(house.client.url, token()) as me,
        Client(house.client.url, token(1, role="admin")) as admin,
    ):
        pulled = await me.pull()
        await me.spin(bet_amount=100)
        await admin.distribute(42, "TOKENS", 5, "A test")
        await admin.notify(user_id=42, title="Hello")
        await house.casino.until_caught_up()
        yield me, admin, pulled


async def test_given_a_played_game_when_each_query_is_asked_then_its_answer_is_of_its_type(
    after_play: tuple[Client, Client, GachaPullReply],
) -> None:
    me, admin, pulled = after_play
    notified = await me.notifications(unread=True)
    arguments: dict[str, dict[str, Any]] = {
        "games.stats": {"game_type": "slot"},
        "games.user_stats": {"user_id": 42},
        "rewards.list": {"id": 42, "limit": 5},
        "fairness.receipt": {"event_id": pulled.receipt.event_id},
        "ops": {"op_id": "0" * 32},
        "admin.player": {"user_id": 42},
        "admin.events": {"type": "gacha.pulled", "user_id": 42},
        "games.history": {"game_type": "gacha", "since": "2020-01-01T00:00:00+00:00"},
        "notifications": {"unread": False},
        "gacha.odds": {"banner": "standard"},
    }
    for name, operation in OPERATIONS.items():
        if operation.kind == "query" and not name.startswith("analytics."):  # there is no ClickHouse here
            asker = admin if name.startswith(("admin.", "kafka.", "olap.")) else me
            answer = await asker.call(name, arguments.get(name))
            assert msgspec.convert(msgspec.to_builtins(answer), operation.reply) == answer

    assert [item.title for item in notified.items] == ["Hello"]
    assert (await me.wallet()).user_id == 42
    assert (await me.receipt(pulled.receipt.event_id)).nonce == pulled.receipt.nonce
    assert [item.amount for item in (await me.rewards(42)).items] == [5]
    assert (await me.history(limit=1)).items[0].game_type == "slot"
    with pytest.raises(CroupierRefused, match="RECEIPT_NOT_FOUND"):
        await me.receipt("a/b ?#ü")


async def test_given_actions_and_batches_when_done_then_their_answers_are_of_their_types(
    house: House,
) -> None:
    async with (
        Client(house.client.url, token()) as me,
        Client(house.client.url, token(1, role="admin")) as admin,
    ):
        await me.pull()
        granted = await admin.grant_bulk(
            items=[RewardsDistribute(42, "GEMS", 1, "One"), RewardsDistribute(43, "GEMS", 1, "Nobody")]
        )
        await admin.broadcast(title="To all", data={"url": "/play"})
        listed = await me.notifications()
        read = await me.read_notification(listed.items[0].id)
        ticket = await me.ticket()

    assert [result.status for result in granted.results] == ["ok", "error"]
    assert (listed.unread, read.id) == (1, listed.items[0].id)
    assert len(ticket.ticket) == 43


async def test_given_many_calls_at_once_over_http_when_answered_then_each_gets_its_own(server: Http) -> None:
    async def calls(uid: int) -> int:
        async with Client(server.url, token(uid)) as me:
            await me.pull()
            return (await me.wallet()).user_id

    assert await asyncio.gather(*(calls(uid) for uid in range(1, 21))) == list(range(1, 21))
