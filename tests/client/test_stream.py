"""The stream: commands in frames, and pushes."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from croupier_client import (
    MONITOR,
    Client,
    CroupierUnavailable,
    GameEvent,
    Hello,
    Missed,
    MonitorSnapshot,
    Notification,
    Stream,
    UnknownPush,
    UnreadHello,
    notifications_of,
    reply_of,
)
from croupier_client.commands import FRAME_BYTES_MAX
from croupier_schemas.session import SessionEndReply
from croupier_schemas.slot import SlotSpinReply
from tests.client.sockets import HELLO, SPUN, daemon_begins, frames, next_of, stream, talking
from tests.client.support import wire_to
from tests.http.support import token
from tests.ws.support import House, open_house


async def test_given_calls_at_once_when_sent_then_sixteen_share_a_frame(house: House) -> None:
    async with Stream(house.client.url, token()) as me:
        before = await frames(house.client)
        spun = await asyncio.gather(*(me.spin(bet_amount=100) for _ in range(64)))
        after = await frames(house.client)

    assert len({reply.receipt.event_id for reply in spun}) == 64
    assert after - before == 4


async def test_given_large_commands_when_sent_then_no_frame_is_larger_than_the_server_takes(
    house: House,
) -> None:
    async with Stream(house.client.url, token(1, role="admin"), commands_per_frame=64) as admin:
        await admin.pull()
        before = await frames(house.client)
        keys = [f"{number:03}" + "k" * 180 for number in range(60)]
        granted = await asyncio.gather(
            *(admin.options(key=key).distribute(1, "GEMS", 1, "x" * 200) for key in keys)
        )
        after = await frames(house.client)
        with pytest.raises(ValueError, match="too large"):
            await admin.distribute(1, "GEMS", 1, "x" * FRAME_BYTES_MAX)

    assert max(reply.gems for reply in granted) - min(reply.gems for reply in granted) == 59
    assert after - before == 2


async def test_given_more_calls_than_may_be_under_way_when_made_then_all_are_answered(house: House) -> None:
    async with Stream(house.client.url, token(), in_flight_max=4, frames_per_second=0) as me:
        spun = await asyncio.gather(*(me.spin(bet_amount=100) for _ in range(50)))

    assert len({reply.receipt.seq for reply in spun}) == 50


async def test_given_one_call_after_another_when_many_then_the_server_s_limit_of_frames_is_kept(
    redis_url: str, database_url: str
) -> None:
    limit = 20
    async with (
        open_house(redis_url, database_url, ws_frames_per_second=limit) as house,
        wire_to(house.client.port, 1) as wire,
        Stream(wire.url, token(), frames_per_second=limit) as me,
    ):
        for _ in range(3 * limit // 2):
            await me.spin(bet_amount=100)

    assert wire.connections == 1  # it was never closed with 4429


async def test_given_replies_in_another_order_when_read_then_each_call_gets_its_own() -> None:
    async def talk(socket: web.WebSocketResponse, _number: int) -> None:
        calls: list[Any] = []
        async for message in socket:
            frame = json.loads(message.data)
            calls += frame if isinstance(frame[0], list) else [frame]
            if len(calls) == 40:
                replies = [
                    [call[0], 200, SPUN | {"balance": call[2]["bet_amount"]}] for call in reversed(calls)
                ]
                await socket.send_json(replies[0])
                await socket.send_json([[987_654, 200, {}], *replies[1:30]])
                await socket.send_json([*replies[30:], [replies[0][0], 200, SPUN]])

    async with talking(talk) as url, stream(url) as me:
        spun = await asyncio.gather(*(me.spin(bet_amount=100 + number) for number in range(40)))

    assert [reply.balance for reply in spun] == list(range(100, 140))


async def test_given_a_cancelled_call_when_others_follow_then_they_are_answered(house: House) -> None:
    async with Stream(house.client.url, token()) as me:
        calls = [asyncio.create_task(me.spin(bet_amount=100)) for _ in range(10)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        spun = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(await me.spin(bet_amount=100), SlotSpinReply)

    assert [type(each) for each in spun] == [asyncio.CancelledError, SlotSpinReply] * 5


async def test_given_no_answer_when_the_deadline_passes_then_the_call_ends_and_is_not_sent_again() -> None:
    heard: list[str] = []

    async def talk(socket: web.WebSocketResponse, _number: int) -> None:
        async for message in socket:
            call = json.loads(message.data)
            heard.append(call[3])
            if call[3] == "close":
                await socket.send_json([call[0], 200, SPUN])
                await socket.close(code=1011)
            elif call[3] != "lost":
                await socket.send_json([call[0], 200, SPUN])

    async with talking(talk) as url, stream(url) as me:
        with pytest.raises(CroupierUnavailable) as gone:
            await me.options(key="lost", deadline_s=0.2).spin(bet_amount=100)
        await me.options(key="close").spin(bet_amount=100)
        await me.options(key="last").spin(bet_amount=100)

    assert (gone.value.may_have_run, gone.value.idempotency_key) == (True, "lost")
    assert heard[:2] == ["lost", "close"] and set(heard[2:]) == {"last"}


async def test_given_a_player_s_commands_over_http_when_done_then_the_stream_tells_them_typed(
    house: House,
) -> None:
    await daemon_begins(house)
    async with Stream(house.client.url, token()) as me, Client(house.client.url, token()) as http:
        hello = await me.greeted()
        session = await http.start_session(game_type="slot")
        spun = await http.spin(bet_amount=100)
        ended = await http.end_session(session.session_id)
        events = [(await next_of(me, GameEvent)).event for _ in range(3)]

    assert isinstance(hello, Hello) and hello.balances.tokens == 10**9
    assert [event.event_type for event in events] == ["session.started", "slot.spun", "session.ended"]
    assert reply_of(events[1]) == spun
    assert (
        isinstance(reply_of(events[2]), SessionEndReply)
        and reply_of(events[2]).result_data == ended.result_data
    )


async def test_given_a_monitor_and_notifications_when_something_happens_then_both_are_told(
    house: House,
) -> None:
    await daemon_begins(house)
    url = house.client.url
    admin = token(1, role="admin")
    async with (
        Client(url, admin) as http,
        Stream(url, admin, path=MONITOR) as monitor,
        Stream(url, token(), path=notifications_of(42), tickets=True) as notes,
    ):
        snapshot = await next_of(monitor, MonitorSnapshot)
        unread = await notes.greeted()
        await http.pull()
        await http.distribute(1, "GEMS", 7, "A test")
        await http.notify(user_id=42, title="Hello", data={"gems": 7})
        pulled, granted = [(await next_of(monitor, GameEvent)).event for _ in range(2)]
        note = await next_of(notes, Notification)

    assert isinstance(unread, UnreadHello) and unread.unread == 0
    assert isinstance(snapshot.events, list)
    assert (pulled.event_type, granted.event_type, granted.player_id) == (
        "gacha.pulled",
        "rewards.granted",
        1,
    )
    assert (note.type, note.title, note.data) == ("ADMIN_NOTIFICATION", "Hello", {"gems": 7})


async def test_given_pushes_that_nobody_takes_when_there_are_too_many_then_the_newest_stay_and_it_is_said() -> (
    None
):
    async def talk(socket: web.WebSocketResponse, _number: int) -> None:
        await socket.send_json(HELLO)
        for number in range(100):
            await socket.send_json({"type": "new_kind", "number": number})
        async for message in socket:
            await socket.send_json([json.loads(message.data)[0], 200, SPUN])

    async with talking(talk) as url, stream(url, pushes_max=10) as me:
        await me.spin(bet_amount=100)  # answered after the last push
        taken = [await anext(me) for _ in range(11)]

    assert taken[0] == Missed(91)
    assert taken[1:] == [UnknownPush("new_kind", {"type": "new_kind", "number": n}) for n in range(90, 100)]


async def test_given_a_closed_stream_when_iterated_then_what_had_come_is_told_and_the_iteration_ends(
    house: House,
) -> None:
    async with Stream(house.client.url, token()) as me:
        await me.greeted()
    pushes = [push async for push in me]

    assert [type(push) for push in pushes] == [Hello]
    assert repr(me).endswith("not open>")
