"""What goes wrong on the way from an event to its push: it costs others nothing, and is made up for."""

import asyncio
import contextlib
from typing import Any

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from croupier.live import RESTARTED, Shown, encode_events
from croupier_http.logs import Limiter
from croupier_http.ws import greetings as greeting
from croupier_http.ws.connection import HELD_MAX, Connection
from croupier_http.ws.greetings import _AT_ONCE, Greetings
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.live import LiveEvent
from tests.http.support import PULL, Client, token, until
from tests.redis_server import administrator
from tests.ws.support import JSON, MONITOR, MSGPACK, WS, House, connected
from tests.ws.test_adversaries import event
from tests.ws.test_endings import opened
from tests.ws.test_live import event_of

__all__ = ["opened"]

ADMIN = token(1, role="admin")
NOTIFICATIONS = "/ws/notifications/42"


class HeldUp:
    """The second greeting of players waits, having read all that it tells: `read` is set then, `go_on` lets it send."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read, self.go_on = asyncio.Event(), asyncio.Event()
        self._hello = Greetings._hello
        self._count = 0
        held_up = self

        async def hello(greetings: Greetings, connection: Connection) -> Any:
            made = await held_up._hello(greetings, connection)
            held_up._count += 1
            if held_up._count == 2:
                held_up.read.set()
                await held_up.go_on.wait()
            return made

        monkeypatch.setattr(Greetings, "_hello", hello)


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> HeldUp:
    return HeldUp(monkeypatch)


async def test_given_a_greeting_under_way_when_more_is_missed_then_what_was_held_follows_and_another_greeting(
    client: Client, redis_url: str, held_up: HeldUp, opened: list[Connection]
) -> None:
    with administrator(redis_url) as publisher:
        async with connected(client) as socket:
            first = await socket.push("hello")
            publisher.publish(keys.live(0), RESTARTED)
            await held_up.read.wait()
            spun = (await socket.command("slot.spin", {"bet_amount": 100}))[2]  # the state was read before
            publisher.publish(keys.live(0), RESTARTED)
            publisher.publish(keys.player_events(0, 42), encode_events([event(9)]))

            async def is_held() -> bool:
                return bool(opened[0]._held)

            await until(is_held, "an event that is held back")
            held_up.go_on.set()

            assert (await socket.push("hello", 2))["balances"] == first["balances"]
            assert (await socket.push("hello", 3))["balances"]["tokens"] == spun["balance"]
            assert (await socket.push("game_event"))["event"]["event_id"] == "0-1-9"
    assert [push["type"] for push in socket.pushes] == ["hello", "hello", "game_event", "hello"]


async def test_given_more_events_than_are_held_back_when_a_greeting_ends_then_another_one_follows(
    client: Client, redis_url: str, held_up: HeldUp, opened: list[Connection]
) -> None:
    with administrator(redis_url) as publisher:
        async with connected(client) as socket:
            await socket.push("hello")
            publisher.publish(keys.live(0), RESTARTED)
            await held_up.read.wait()
            events = [event(number) for number in range(1, HELD_MAX + 3)]
            publisher.publish(keys.player_events(0, 42), encode_events(events))

            async def is_too_much() -> bool:
                return opened[0].greet_again and len(opened[0]._held) == 2

            await until(is_too_much, "more events than are held back")
            held_up.go_on.set()
            await socket.push("hello", 3)


async def test_given_a_push_that_msgpack_cannot_say_when_told_then_json_has_it_and_all_go_on(
    client: Client, redis_url: str
) -> None:
    def broadcast(title: str, data: dict[str, int]) -> bytes:
        return msgspec.json.encode({"type": "ADMIN_BROADCAST", "title": title, "data": data})

    async with (
        connected(client, NOTIFICATIONS, protocol=MSGPACK) as packed,
        connected(client, NOTIFICATIONS, protocol=JSON) as plain,
        connected(client, NOTIFICATIONS, protocol=MSGPACK) as another,
    ):
        for socket in (packed, plain, another):
            await socket.push("hello")
        with administrator(redis_url) as publisher:
            publisher.publish(keys.broadcast(), broadcast("first", {"x": 10**30}))
            publisher.publish(keys.broadcast(), broadcast("second", {}))
            for socket in (packed, another):
                await socket.push("hello", 2)
            assert (await plain.push("ADMIN_BROADCAST"))["data"] == {"x": 10**30}
            for socket, number in ((packed, 1), (another, 1), (plain, 2)):
                assert (await socket.push("ADMIN_BROADCAST", number))["title"] == "second"
    assert [push["type"] for push in plain.pushes] == ["hello", "ADMIN_BROADCAST", "ADMIN_BROADCAST"]


@pytest.fixture
def unshowable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of player 42 have results that cannot be shown."""
    result = Shown._result

    def fail(shown: Shown, event: Event, economy: Any) -> dict[str, object]:
        if event.header.uid == 42 and economy is not None:
            raise ValueError("a result of another age")
        return result(shown, event, economy)

    monkeypatch.setattr(Shown, "_result", fail)


@pytest.mark.usefixtures("unshowable")
async def test_given_events_that_cannot_be_shown_when_told_and_in_a_snapshot_then_without_result_and_logged_once(
    house: House,
) -> None:
    with capture_logs() as logs:
        async with (
            connected(house.client) as player,
            connected(house.client, MONITOR, bearer=ADMIN) as monitor,
        ):
            await player.push("hello")
            await monitor.push("monitor_snapshot")
            pulls = [await house.client.post(PULL, bearer=token(uid)) for uid in (42, 43, 42)]
            shown = [await event_of(monitor, pull.json["receipt"]["event_id"]) for pull in pulls]
            own = [(await player.push("game_event", number))["event"] for number in (1, 2)]
        async with connected(house.client, MONITOR, bearer=ADMIN) as monitor:
            events = (await monitor.push("monitor_snapshot"))["events"]

    assert [bool(each["result"]) for each in shown] == [False, True, False]
    assert own == [shown[0], shown[2]]
    assert [each for each in events if each["player_id"]] == shown
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert (line["type"], line["event_id"]) == ("gacha.pulled", shown[0]["event_id"])


async def test_given_an_event_that_fails_otherwise_when_told_then_a_greeting_comes_and_those_after_it(
    client: Client, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Greetings.show

    async def fail(greetings: Greetings, told: Event) -> LiveEvent:
        if told.id.seq == 2:
            raise RuntimeError("for another reason")
        return await show(greetings, told)

    monkeypatch.setattr(Greetings, "show", fail)
    async with connected(client) as socket:
        await socket.push("hello")
        with administrator(redis_url) as publisher:
            publisher.publish(
                keys.player_events(0, 42), encode_events([event(number) for number in (1, 2, 3)])
            )
            await socket.push("hello", 2)
            told = [(await socket.push("game_event", number))["event"]["event_id"] for number in (1, 2)]

    assert told == ["0-1-1", "0-1-3"]


async def test_given_a_row_that_cannot_be_read_when_a_monitor_is_opened_then_the_others_are_shown(
    house: House,
) -> None:
    pulls = [(await house.client.post(PULL)).json["receipt"]["event_id"] for _ in range(3)]
    await house.casino.until_caught_up()
    await house.casino.connection.execute(
        "UPDATE events SET changes = '\\xc1' WHERE seq = $1", int(pulls[1].rpartition("-")[2])
    )

    async with connected(house.client, MONITOR, bearer=ADMIN) as monitor:
        events = (await monitor.push("monitor_snapshot"))["events"]

    assert [each["event_id"] for each in events if each["event_type"] == "gacha.pulled"] == [
        pulls[0],
        pulls[2],
    ]


async def test_given_a_greeting_that_fails_again_and_again_when_it_works_then_it_comes_and_was_logged_once(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "_RETRY_MAX_S", 0.5)
    snapshot, failures = Greetings._snapshot, 0

    async def fail(greetings: Greetings, connection: Connection) -> Any:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise RuntimeError("not yet")
        return await snapshot(greetings, connection)

    monkeypatch.setattr(Greetings, "_snapshot", fail)
    monkeypatch.setattr(Limiter, "allow", lambda _limiter, _kind: {})
    with capture_logs() as logs:
        async with connected(client, MONITOR, bearer=ADMIN) as monitor, connected(client) as player:
            await player.push("hello")
            await monitor.push("monitor_snapshot")

    assert failures == 3
    assert [line["event"] for line in logs if line["log_level"] == "error"] == [
        "greeting failed; it is tried again"
    ]


async def test_given_a_table_that_is_locked_when_it_holds_up_greetings_then_those_of_players_do_not_wait(
    house: House,
) -> None:
    locker = await asyncpg.connect(house.database_url)
    try:
        async with contextlib.AsyncExitStack() as stack:
            async with locker.transaction():
                await locker.execute("LOCK TABLE notifications")
                waiting = [
                    await stack.enter_async_context(connected(house.client, NOTIFICATIONS)) for _ in range(10)
                ]

                async def are_held_up() -> bool:
                    waiting_for_it = "SELECT count(*) FROM pg_locks WHERE NOT granted"
                    return bool(await locker.fetchval(waiting_for_it) >= _AT_ONCE["notifications"])

                await until(are_held_up, "greetings that wait for the table")
                with capture_logs() as logs:
                    async with connected(house.client, WS, bearer=token(43)) as player:
                        await player.push("hello")
                assert logs == []  # none of them has given up yet
            for socket in waiting:
                await socket.push("hello")
    finally:
        await locker.close()
