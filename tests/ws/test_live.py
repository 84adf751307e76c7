"""Events as they happen: whichever worker did the work, and whichever holds the socket."""

import asyncio
import contextlib
import gc
from pathlib import Path
from typing import Any

import pytest

from croupier.live import decode_events
from croupier_http.ws.connection import Connection
from croupier_http.ws.wire import Wire
from croupier_schemas import keys
from croupier_sync.fanout import FanOut
from croupier_sync.server import Server
from tests.http.support import DEADLINE_S, PULL, Client, running, settings_for, token, until
from tests.http.test_pages import samples
from tests.redis_server import administrator
from tests.transport.own_server import OwnServer
from tests.ws.support import MONITOR, MSGPACK, WS, House, Socket, connected, migrated, open_house


def listening(redis_url: str, uid: int) -> int:
    with administrator(redis_url) as inspector:
        ((_, count),) = inspector.pubsub_numsub(keys.player_events(0, uid))
        return int(count)


async def event_of(socket: Socket, event_id: str) -> dict[str, Any]:
    """The push of that event."""
    while True:
        for push in socket.pushes:
            if push["type"] == "game_event" and push["event"]["event_id"] == event_id:
                event: dict[str, Any] = push["event"]
                return event
        await socket.receive()


async def test_given_a_socket_on_another_worker_when_a_player_pulls_then_the_event_comes_as_the_reply_was(
    house: House,
) -> None:
    async with (
        house.another_worker() as other,
        connected(house.client) as one,
        connected(house.client, protocol=MSGPACK) as two,
    ):
        hello = await one.push("hello")
        await two.push("hello")
        assert hello["balances"] == {"tokens": 10**9, "gems": 10**6}
        assert (hello["active_bet"], hello["last_event_id"], hello["live"]) == (None, None, True)

        reply = await other.post(PULL, {"count": 10})
        for socket in (one, two):
            event = await event_of(socket, reply.json["receipt"]["event_id"])
            assert event["result"] == reply.json
            assert event["op_id"] == reply.headers["Op-Id"]
            assert (event["event_type"], event["player_id"]) == ("gacha.pulled", 42)
            assert event["economy"] == reply.json["receipt"]["economy"]
            assert event["created_at"].endswith("Z")
            assert "changes" not in event


async def test_given_a_player_with_a_history_when_connected_then_hello_has_state_and_last_event(
    house: House,
) -> None:
    await house.client.post(PULL)
    bet = (await house.client.post("/api/games/crash/bet", {"bet_amount": 100, "auto_cashout": 900.0})).json
    await house.casino.until_caught_up()

    async with connected(house.client) as socket:
        hello = await socket.push("hello")

    assert hello["balances"]["tokens"] == bet["balance"]
    assert hello["last_event_id"] == bet["receipt"]["event_id"]
    session = hello["active_bet"]
    assert (session["game_id"], session["bet_amount"], session["auto_cashout"]) == (
        bet["game_id"],
        100,
        900.0,
    )
    assert set(session) == {"game_id", "bet_amount", "auto_cashout", "started_at_ms"}


async def test_given_a_round_that_nobody_cashes_out_when_swept_then_the_settlement_comes(
    house: House,
) -> None:
    async with connected(house.client) as socket:
        await socket.push("hello")
        bet = (await socket.command("crash.bet", {"bet_amount": 100, "auto_cashout": 1.01}))[2]
        settled: dict[str, Any] = {}
        while not settled:
            await socket.receive()
            settled = next(
                (
                    push["event"]
                    for push in socket.pushes
                    if push["type"] == "game_event" and push["event"]["event_type"] == "crash.settled"
                ),
                {},
            )

    assert settled["result"]["game_id"] == bet["game_id"]
    assert settled["result"]["outcome"] in ("auto", "crashed")


async def test_given_an_open_bet_when_watched_then_nothing_tells_where_it_crashes(house: House) -> None:
    admin = token(1, role="admin")
    async with connected(house.client) as own, connected(house.client, MONITOR, bearer=admin) as monitor:
        await own.push("hello")
        await monitor.push("monitor_snapshot")
        bet = (await own.command("crash.bet", {"bet_amount": 100}))[2]
        shown = [await event_of(socket, bet["receipt"]["event_id"]) for socket in (own, monitor)]
        cashed = (await own.command("crash.cashout", {"game_id": bet["game_id"]}))[2]
        if cashed["outcome"] == "cashed":
            event = await event_of(monitor, cashed["receipt"]["event_id"])
            assert event["result"]["crash_point"] is None

    for event in shown:
        assert event["result"] == bet
        assert "crash_point" not in str(event)


async def test_given_a_session_when_ended_elsewhere_then_its_result_comes(house: House) -> None:
    async with house.another_worker() as other, connected(house.client) as socket:
        await socket.push("hello")
        started = (await other.post("/api/games/session/start", {"game_type": "rps"})).json
        await other.post("/api/games/rps/play", {"player_move": "ROCK", "bet_amount": 10})
        ended = await other.post("/api/games/session/end", {"session_id": started["session_id"]})
        event = await event_of(socket, ended.json["receipt"]["event_id"])

    assert event["event_type"] == "session.ended"
    assert event["result"]["result_data"]["rounds"] == 1


async def test_given_sockets_of_players_when_others_play_then_they_hear_nothing_and_nothing_is_published(
    house: House,
) -> None:
    async with connected(house.client) as socket:
        await socket.push("hello")
        await house.client.post(PULL, bearer=token(43))
        reply = await house.client.post(PULL)
        await event_of(socket, reply.json["receipt"]["event_id"])
        assert [push["event"]["player_id"] for push in socket.pushes if push["type"] == "game_event"] == [42]
        assert listening(house.redis_url, 43) == 0
        assert listening(house.redis_url, 42) == 1

    async def is_forgotten() -> bool:
        return listening(house.redis_url, 42) == 0

    await until(is_forgotten, "the worker to stop listening")


async def test_given_a_monitor_when_opened_then_the_last_200_events_of_all_workers_come_and_then_the_rest(
    house: House,
) -> None:
    async with house.another_worker() as other:
        for number in range(205):
            client = (house.client, other)[number % 2]
            last = await client.post(PULL, bearer=token(100 + number % 50))
            assert last.status == 200
        await house.casino.until_caught_up()
        async with connected(other, MONITOR, bearer=token(1, role="admin")) as monitor:
            snapshot = (await monitor.push("monitor_snapshot"))["events"]
            after = await house.client.post(PULL)
            event = await event_of(monitor, after.json["receipt"]["event_id"])

    seqs = [int(each["event_id"].rpartition("-")[2]) for each in snapshot]
    assert len(snapshot) == 200
    assert seqs == list(range(seqs[0], seqs[0] + 200))
    assert snapshot[-1]["event_id"] == last.json["receipt"]["event_id"]
    assert snapshot[-1]["result"] == last.json
    assert event["player_id"] == 42


async def test_given_a_client_that_does_not_read_when_events_are_dropped_then_hello_comes_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = True
    async with connected(house.client) as socket:
        await socket.push("hello")
        monkeypatch.setattr(Wire, "writing_paused", property(lambda _: slow, lambda _, _value: None))
        dropped = samples((await house.client.get("/metrics", bearer="")).body)[
            "websocket_pushes_dropped_total"
        ]
        await house.client.post(PULL)

        async def is_dropped() -> bool:
            metrics = samples((await house.client.get("/metrics", bearer="")).body)
            return metrics["websocket_pushes_dropped_total"] > dropped

        await until(is_dropped, "a dropped push")
        slow = False
        _drain_all()
        hello = await socket.push("hello", 2)
        assert hello["balances"]["tokens"] == 10**9 - 5_000


def _drain_all() -> None:
    """Tell every connection of this process that its client reads again, as the event loop does."""
    for each in gc.get_objects():
        if isinstance(each, Connection) and not each.ended.done():
            each.drained()


async def test_given_a_restart_of_the_daemon_when_it_follows_again_then_hello_comes_again(
    redis_url: str, database_url: str
) -> None:
    settings = settings_for(redis_url, database_url=database_url)
    async with migrated(redis_url, database_url) as casino, contextlib.AsyncExitStack() as first:
        await first.enter_async_context(casino.daemon())
        async with running(settings) as client, connected(client) as socket:
            await socket.push("hello")
            await first.aclose()
            pulled = await client.post(PULL)
            async with casino.daemon():
                seen = len([push for push in socket.pushes if push["type"] == "hello"])
                await socket.push("hello", seen + 1)
                await event_or_hello(socket, pulled.json["receipt"]["event_id"])


async def event_or_hello(socket: Socket, event_id: str) -> None:
    """The event has come, or a hello that has it."""
    async with asyncio.timeout(DEADLINE_S):
        while not any(
            push.get("last_event_id") == event_id or push.get("event", {}).get("event_id") == event_id
            for push in socket.pushes
        ):
            await socket.receive()


async def test_given_a_restart_of_redis_when_back_then_hello_comes_again_and_events_follow(
    tmp_path: Path, database_url: str
) -> None:
    server = OwnServer(tmp_path, keeps=True)
    server.start()
    try:
        async with open_house(server.url, database_url) as house, connected(house.client) as socket:
            await socket.push("hello")
            before = (await house.client.post(PULL)).json
            await event_of(socket, before["receipt"]["event_id"])
            seen = len([push for push in socket.pushes if push["type"] == "hello"])
            server.kill()
            server.start()
            hello = await socket.push("hello", seen + 1)
            assert hello["balances"]["tokens"] == before["balance"]

            async def pulled() -> bool:
                return (await house.client.post(PULL, key="after")).status == 200

            await until(pulled, "a pull on the new Redis")
            after = (await house.client.post(PULL, key="after")).json
            await event_or_hello(socket, after["receipt"]["event_id"])
    finally:
        server.kill()


async def test_given_a_fan_out_that_fails_when_publishing_then_the_sync_does_not_hear_of_it(
    house: House,
) -> None:
    await house.client.post(PULL)
    events = await house.casino.log()
    server = Server(house.casino.transport)
    fan_out = FanOut(server, 0)
    await fan_out.publish(events)
    await house.casino.transport.close()

    await fan_out.publish(events)
    await fan_out.publish([None])  # type: ignore[list-item]


async def test_given_a_listener_when_events_are_published_then_it_hears_those_of_its_player(
    house: House,
) -> None:
    await house.client.post(PULL, bearer=token(7))
    await house.client.post(PULL, bearer=token(8))
    events = [event for event in await house.casino.log() if event.header.uid in (7, 8)]
    own = [event for event in events if event.header.uid == 7]
    with administrator(house.redis_url) as listener, listener.pubsub() as channel:
        channel.subscribe(keys.player_events(0, 7), keys.live(0))
        confirmed: list[Any] = []
        while len(confirmed) < 2:
            confirmed.append(channel.get_message(timeout=5))
        await FanOut(Server(house.casino.transport), 0).publish(events)
        heard: set[str] = set()  # the house's own daemon may say the same, before or after
        while heard != {"restarted", "events"}:
            message = channel.get_message(timeout=5)
            assert message is not None
            if message["channel"] == keys.live(0).encode():
                assert message["data"] == b"restarted"
                heard.add("restarted")
            elif message["type"] == "message":
                assert message["channel"] == keys.player_events(0, 7).encode()
                assert decode_events(message["data"]) == own
                heard.add("events")


async def test_given_no_postgres_when_connected_then_hello_says_that_no_events_follow(client: Client) -> None:
    async with connected(client, WS) as socket:
        assert (await socket.push("hello"))["live"] is False
