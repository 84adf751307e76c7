"""Clients that mean harm, and connections that break at the wrong moment."""

import asyncio
import contextlib
import json

import aiohttp
import msgspec
import pytest

from croupier.live import encode_events
from croupier_http.ws import connection as connections
from croupier_http.ws import sockets as watching
from croupier_http.ws.connection import Connection
from croupier_http.ws.greetings import Greetings
from croupier_http.ws.wire import UNSENT_BYTES_MAX
from croupier_schemas import keys
from croupier_schemas.events import Event, EventHeader, EventId
from tests.http.support import DEADLINE_S, PULL, Client, running, settings_for, token
from tests.redis_server import administrator
from tests.ws.raw import BINARY, TEXT, frame, raw_socket
from tests.ws.support import MONITOR, MSGPACK, WS, House, Socket, connected
from tests.ws.test_bounds import metric
from tests.ws.test_endings import opened

__all__ = ["opened"]

ADMIN = token(1, role="admin")


def event(seq: int, uid: int = 9, kind: str = "x") -> Event:
    """One that no command has made."""
    header = EventHeader(kind, uid, "VIP", bytes(16), "", b"", b"", 1)
    return Event(EventId(0, 1, seq), 1_800_000_000_000, False, header, b"", ())


@pytest.mark.parametrize(
    ("path", "channel"),
    [(MONITOR, keys.monitor(0)), (WS, keys.player_events(0, 1)), ("/ws/notifications/1", keys.broadcast())],
)
async def test_given_a_client_that_reads_no_pushes_when_they_go_on_then_few_are_kept_and_it_is_closed_with_1013(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, opened: list[Connection], path: str, channel: str
) -> None:
    monkeypatch.setattr(watching, "SLOW_MAX_S", 0.1)
    monkeypatch.setattr(watching, "_ROUND_S", 0.05)
    monkeypatch.setattr(connections, "CLOSING_TIMEOUT_S", 0.2)
    size = 100_000
    async with running(settings_for(redis_url)) as client:
        dropped = await metric(client, "websocket_pushes_dropped_total")
        async with raw_socket(client, path, bearer=ADMIN) as raw:
            await raw.read()
            (connection,) = opened
            number, most = 0, 0
            with administrator(redis_url) as publisher:
                while not connection.close_code and number < 2_000:
                    number += 1
                    push = (
                        json.dumps({"type": "ADMIN_BROADCAST", "title": "x" * size}).encode()
                        if channel == keys.broadcast()
                        else encode_events([event(number, kind="x" * size)])
                    )
                    publisher.publish(channel, push)
                    await asyncio.sleep(0)
                    most = max(most, connection._transport.get_write_buffer_size())

            assert connection.close_code == 1013
            assert most < UNSENT_BYTES_MAX + 2 * size
            assert await metric(client, "websocket_pushes_dropped_total") > dropped
            await asyncio.wait_for(connection.ended, DEADLINE_S)


async def test_given_monitors_that_are_opened_while_events_come_then_each_is_told_all_once_and_in_order(
    house: House,
) -> None:
    playing = True

    async def play(uid: int) -> None:
        while playing:
            assert (await house.client.post(PULL, bearer=token(uid))).status == 200

    players = [asyncio.create_task(play(uid)) for uid in (50, 51, 52)]
    async with house.another_worker() as other, contextlib.AsyncExitStack() as stack:
        monitors: list[Socket] = []
        for number in range(6):
            path = (house.client, other)[number % 2]
            monitor = await stack.enter_async_context(connected(path, MONITOR, bearer=ADMIN))
            await monitor.push("monitor_snapshot")
            monitors.append(monitor)
        playing = False
        await asyncio.gather(*players)
        last = (await house.client.post(PULL)).json["receipt"]["event_id"]
        for monitor in monitors:
            told = await told_until(monitor, last)
            assert told == list(range(told[0], told[0] + len(told)))


async def test_given_an_event_between_the_reading_of_a_snapshot_and_its_sending_when_told_then_it_follows(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Greetings._last_events
    between: list[str] = []

    async with connected(house.client, MONITOR, bearer=ADMIN) as first:
        await first.push("monitor_snapshot")

        async def read_and_wait(greetings: Greetings) -> list[Event]:
            events = await read(greetings)
            if not between:
                between.append((await house.client.post(PULL)).json["receipt"]["event_id"])
                await told_until(first, between[0])  # so the other monitor's worker has it too
            return events

        monkeypatch.setattr(Greetings, "_last_events", read_and_wait)
        async with connected(house.client, MONITOR, bearer=ADMIN) as second:
            snapshot = await second.push("monitor_snapshot")
            assert between[0] not in str(snapshot)
            assert (await second.push("game_event"))["event"]["event_id"] == between[0]


async def told_until(monitor: Socket, last: str) -> list[int]:
    """The numbers of the events that a monitor was told since its last snapshot, up to that event."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            told: list[str] = []
            for push in monitor.pushes:
                if push["type"] == "monitor_snapshot":
                    told = [each["event_id"] for each in push["events"]]
                else:
                    told.append(push["event"]["event_id"])
            if last in told:
                return [int(each.rpartition("-")[2]) for each in told]
            await monitor.receive()


async def test_given_a_subscription_that_is_lost_when_it_is_back_then_all_are_greeted_again_and_hear_again(
    client: Client, redis_url: str
) -> None:
    async with (
        connected(client) as player,
        connected(client, MONITOR, bearer=ADMIN) as monitor,
        connected(client, "/ws/notifications/42") as notified,
    ):
        greetings = ((player, "hello"), (monitor, "monitor_snapshot"), (notified, "hello"))
        for socket, kind in greetings:
            await socket.push(kind)
        with administrator(redis_url) as inspector:
            inspector.client_kill_filter(_type="pubsub")
            for socket, kind in greetings:
                await socket.push(kind, 2)
            inspector.publish(keys.player_events(0, 42), encode_events([event(7, 42)]))
            inspector.publish(keys.monitor(0), encode_events([event(7, 42)]))
        for socket in (player, monitor):
            assert (await socket.push("game_event"))["event"]["event_id"] == "0-1-7"


async def test_given_an_id_that_is_used_twice_when_sent_then_each_command_is_answered(client: Client) -> None:
    async with connected(client) as socket:
        await socket.send([[7, "ping", {}], [7, "slot.spin", {"bet_amount": 100}], [7, "no.such", {}]])
        while len(socket.replies) < 3:
            await socket.receive()

    assert {reply[0] for reply in socket.replies} == {7}
    assert sorted(reply[1] for reply in socket.replies) == [200, 200, 404]


async def test_given_a_frame_of_as_many_commands_as_fit_when_sent_then_all_are_answered(
    client: Client,
) -> None:
    commands = b"[" + b",".join([b'[1,"slot.x",0]'] * 1_080) + b"]"
    async with raw_socket(client) as raw:
        raw.writer.write(frame(commands) + frame(b'[2,"ping",{}]'))
        answered = 0
        while answered < 1_081:
            replies = json.loads((await raw.read())[1])
            if isinstance(replies, list):
                answered += len(replies) if isinstance(replies[0], list) else 1


@pytest.mark.parametrize("depth", [100, 2_000, 7_000])
async def test_given_arguments_nested_deeply_when_sent_then_refused_and_the_server_lives(
    client: Client, depth: int
) -> None:
    nested = {
        TEXT: b'[1,"gacha.pull",' + b"[" * depth + b"]" * depth + b"]",
        BINARY: b"\x93\x01\xaagacha.pull" + b"\x91" * depth + b"\xc0",
    }
    for opcode, payload in nested.items():
        protocol = "croupier.json" if opcode == TEXT else MSGPACK
        async with raw_socket(client, protocol=protocol) as raw:
            raw.writer.write(frame(payload, opcode))
            answer = b""
            while not answer.startswith((b"[1,", b"\x94\x01", b"\x03\xef")):  # a reply, or the code 1007
                answer = (await raw.read())[1]
            assert answer[:2] == b"\x03\xef" or b"MALFORMED" in answer or b"VALIDATION" in answer
    async with connected(client) as socket:
        assert (await socket.command("ping"))[1] == 200


async def test_given_a_client_that_offers_compression_when_opened_then_there_is_none(client: Client) -> None:
    async with connected(client, compress=15) as socket:
        assert socket.ws.compress == 0
        assert (await socket.command("ping"))[1] == 200


async def test_given_subprotocols_that_are_all_unknown_when_offered_then_none_is_taken_and_it_is_json(
    client: Client,
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            client.url + WS, headers={"Authorization": f"Bearer {token()}", "Sec-WebSocket-Protocol": "mqtt"}
        ) as ws,
    ):
        assert "Sec-WebSocket-Protocol" not in ws._response.headers
        assert msgspec.json.decode((await ws.receive(timeout=DEADLINE_S)).data)["type"] == "hello"


async def test_given_tokens_that_expire_when_commands_wait_then_all_sockets_end_with_4401(
    client: Client,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(connected(client, path, bearer=token(1, role="admin", ttl_s=2)))
            for path in (WS, MONITOR, "/ws/notifications/1")
        ]
        assert await asyncio.gather(*(socket.closed() for socket in sockets)) == [4401] * 3
