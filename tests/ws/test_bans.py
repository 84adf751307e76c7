"""A player who is banned: every socket of every kind ends, whichever worker has it and whichever found out."""

import contextlib

import pytest

from croupier.live import BANNED
from croupier_schemas import keys
from tests.http.support import Client, assert_is_error, token
from tests.redis_server import administrator
from tests.ws.support import MONITOR, WS, House, Socket, connected

NOTIFICATIONS = "/ws/notifications/42"
OPERATOR = token(42, role="admin")


def ban(redis_url: str, uid: int = 42) -> None:
    """Set the flag in the player's record, which must exist."""
    with administrator(redis_url) as inspector:
        assert inspector.exists(f"{{0}}:player:{uid}")
        inspector.setrange(f"{{0}}:player:{uid}", 1, b"\x01")


async def opened(stack: contextlib.AsyncExitStack, *clients: Client) -> list[Socket]:
    """One socket of each kind on each worker, all of player 42 and greeted."""
    sockets = []
    for client in clients:
        for path in (WS, MONITOR, NOTIFICATIONS):
            socket = await stack.enter_async_context(connected(client, path, bearer=OPERATOR))
            await socket.push("monitor_snapshot" if path == MONITOR else "hello")
            sockets.append(socket)
    return sockets


async def test_given_sockets_of_all_kinds_on_two_workers_when_one_refuses_a_command_then_all_end_with_4403(
    house: House,
) -> None:
    await house.client.post("/api/games/slot/spin", {"bet_amount": 100})
    async with (
        house.another_worker() as other,
        contextlib.AsyncExitStack() as stack,
        connected(other, "/ws/notifications/42", bearer=token(1, role="admin")) as somebody,
    ):
        sockets = await opened(stack, house.client, other)
        await somebody.push("hello")
        ban(house.redis_url)
        reply = await sockets[0].command("slot.spin", {"bet_amount": 100})

        assert (reply[1], reply[2]["code"]) == (403, "PLAYER_BANNED")
        assert [await socket.closed() for socket in sockets] == [4403] * 6
        assert (await somebody.command("no.such"))[1] == 404  # this one is not the player's own


async def test_given_sockets_on_another_worker_when_http_finds_the_ban_then_all_end_with_4403(
    house: House,
) -> None:
    await house.client.post("/api/games/slot/spin", {"bet_amount": 100})
    async with house.another_worker() as other, contextlib.AsyncExitStack() as stack:
        sockets = await opened(stack, house.client, other)
        ban(house.redis_url)
        reply = await house.client.post("/api/games/slot/spin", {"bet_amount": 100})

        assert_is_error(reply, 403, "PLAYER_BANNED")
        assert [await socket.closed() for socket in sockets] == [4403] * 6


async def test_given_a_banned_player_who_goes_on_asking_when_refused_then_the_ban_is_announced_once(
    client: Client, redis_url: str
) -> None:
    await client.post("/api/games/slot/spin", {"bet_amount": 100})
    ban(redis_url)
    with (
        administrator(redis_url) as listener,
        listener.pubsub(ignore_subscribe_messages=True) as heard,
    ):
        heard.subscribe(keys.player_events(0, 42), "end")
        for _ in range(20):
            assert_is_error(
                await client.post("/api/games/slot/spin", {"bet_amount": 100}), 403, "PLAYER_BANNED"
            )
        listener.publish("end", "")
        messages: list[bytes] = []
        while not messages or messages[-1] != b"":
            message = heard.get_message(timeout=5)
            messages += [message["data"]] if message else []

    assert messages == [BANNED, b""]


async def test_given_a_worker_with_notifications_only_when_an_event_says_that_the_player_is_banned_then_4403(
    house: House,
) -> None:
    async with house.another_worker() as other, connected(other, NOTIFICATIONS) as socket:
        await socket.push("hello")
        await house.client.post("/api/games/crash/bet", {"bet_amount": 100, "auto_cashout": 1.3})
        ban(house.redis_url)  # no event says so yet; the settlement's does

        assert await socket.closed() == 4403
        assert [push["type"] for push in socket.pushes if push["type"] != "hello"] == []


@pytest.mark.parametrize("path", [WS, MONITOR, NOTIFICATIONS])
async def test_given_a_banned_player_when_a_socket_is_opened_also_by_ticket_then_4403(
    client: Client, redis_url: str, path: str
) -> None:
    await client.post("/api/games/slot/spin", {"bet_amount": 100})
    ticket = (await client.post("/api/games/ws/ticket", bearer=OPERATOR)).json["ticket"]
    ban(redis_url)

    async with connected(client, path, bearer=OPERATOR) as socket:
        assert await socket.closed() == 4403
    async with connected(client, f"{path}?ticket={ticket}", bearer="") as socket:
        assert await socket.closed() == 4403
        assert socket.pushes == []
