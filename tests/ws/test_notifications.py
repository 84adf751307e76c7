"""Notifications: kept, listed, read, and pushed to the sockets that are open."""

from typing import Any

import pytest

from tests.http.support import Client, assert_is_error, token
from tests.ws.support import MSGPACK, House, connected

SEND, BROADCAST = "/api/admin/notifications/send", "/api/admin/notifications/broadcast"
LIST = "/api/notifications"
ADMIN = token(1, role="admin")


async def send(client: Client, uid: int, title: str, **more: Any) -> dict[str, Any]:
    reply = await client.post(SEND, {"user_id": uid, "title": title, **more}, bearer=ADMIN)
    assert reply.status == 200, reply.body
    sent: dict[str, Any] = reply.json
    return sent


async def test_given_a_player_on_another_worker_when_told_something_then_the_push_is_what_was_kept(
    house: House,
) -> None:
    path = "/ws/notifications/42"
    async with (
        house.another_worker() as other,
        connected(other, path) as own,
        connected(other, path, protocol=MSGPACK) as packed,
        connected(other, path, bearer=ADMIN) as watching,
        connected(other, "/ws/notifications/43", bearer=token(43)) as somebody,
    ):
        for socket in (own, packed, watching, somebody):
            assert (await socket.push("hello"))["unread"] == 0
        sent = await send(house.client, 42, "Hi", body="there", data={"link": "/shop", "n": 1})
        assert sent["type"] == "ADMIN_NOTIFICATION"
        for socket in (own, packed, watching):
            assert await socket.push("ADMIN_NOTIFICATION") == sent

        everybody = (await house.client.post(BROADCAST, {"title": "All"}, bearer=ADMIN)).json
        for socket in (own, packed, somebody):
            assert await socket.push("ADMIN_BROADCAST") == everybody
        assert [push["type"] for push in somebody.pushes] == ["hello", "ADMIN_BROADCAST"]


async def test_given_notifications_when_listed_and_read_then_only_the_unread_ones_are_left(
    house: House,
) -> None:
    client = house.client
    first = await send(client, 42, "first")
    await send(client, 43, "not mine")
    await client.post(BROADCAST, {"title": "all", "data": {"x": None}}, bearer=ADMIN)

    listed = (await client.get(LIST)).json
    assert [item["title"] for item in listed["items"]] == ["all", "first"]
    assert (listed["total"], listed["unread"], listed["next_cursor"]) == (2, 2, None)

    read = await client.post(f"{LIST}/{first['id']}/read")
    again = await client.post(f"{LIST}/{first['id']}/read")
    assert read.status == 200
    assert read.json == again.json

    left = (await client.get(f"{LIST}?unread=true")).json
    assert [item["title"] for item in left["items"]] == ["all"]
    assert (left["total"], left["unread"]) == (1, 1)
    everything = (await client.get(LIST)).json
    assert [item["read_at"] is None for item in everything["items"]] == [True, False]
    assert (await client.get(LIST, bearer=token(43))).json["unread"] == 2
    async with connected(client, "/ws/notifications/42") as socket:
        assert (await socket.push("hello"))["unread"] == 1


async def test_given_more_than_a_page_when_followed_then_each_is_listed_once(house: House) -> None:
    titles = [str(number) for number in range(5)]
    for title in titles:
        await send(house.client, 42, title)
    found: list[str] = []
    cursor = ""
    while True:
        page = (await house.client.get(f"{LIST}?limit=2{cursor}")).json
        found += [item["title"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == titles[::-1]
    assert [item["title"] for item in (await house.client.get(f"{LIST}?offset=3")).json["items"]] == [
        "1",
        "0",
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": "x"}, "user_id"),
        ({"user_id": 0, "title": "x"}, "user_id"),
        ({"user_id": 42, "title": ""}, "title"),
        ({"user_id": 42, "title": "x" * 201}, "title"),
        ({"user_id": 42, "title": "a\x00b"}, "title"),
        ({"user_id": 42, "title": "x", "body": "a\x00b"}, "body"),
        ({"user_id": 42, "title": "x", "data": {"a": []}}, "data"),
        ({"user_id": 42, "title": "x", "data": {"a": 2**53}}, "data"),
        ({"user_id": 42, "title": "x", "data": {"a": -(2**53)}}, "data"),
        ({"user_id": 42, "title": "x", "data": {"a": 123456789012345678901234567890}}, "data"),
        ({"user_id": 42, "title": "x", "more": 1}, "more"),
    ],
)
async def test_given_a_notification_that_cannot_be_kept_when_sent_then_422(
    client: Client, body: dict[str, Any], field: str
) -> None:
    reply = await client.post(SEND, body, bearer=ADMIN)

    details = assert_is_error(reply, 422, "VALIDATION_ERROR")["details"]
    assert details["field"].startswith(field)


async def test_given_who_may_not_when_asking_then_refused(client: Client) -> None:
    for path in (SEND, BROADCAST):
        assert_is_error(await client.post(path, {"title": "x"}), 403, "FORBIDDEN")
        assert_is_error(await client.post(path, {"title": "x"}, bearer=""), 401, "UNAUTHENTICATED")
    assert_is_error(await client.get(LIST), 503, "NOT_READY")  # this worker has no Postgres


async def test_given_what_is_not_mine_when_read_then_404_and_for_no_id_422(house: House) -> None:
    other = await send(house.client, 43, "not mine")

    for bad in (other["id"], "0", "999999999999999999"):
        assert_is_error(await house.client.post(f"{LIST}/{bad}/read"), 404, "NOT_FOUND")
    for bad in ("x", "-1", "1" * 19, "%00"):
        assert_is_error(await house.client.post(f"{LIST}/{bad}/read"), 422, "VALIDATION_ERROR")
    assert_is_error(await house.client.get(f"{LIST}?cursor=x"), 422, "VALIDATION_ERROR")


async def test_given_text_that_json_can_hold_when_kept_then_it_comes_back_as_it_was(house: House) -> None:
    data = {"quote": '"\\', "zero": "a\x00b", "big": 2**53 - 1, "small": 1 - 2**53, "no": None, "yes": True}
    sent = await send(house.client, 42, "\u2603 \U0001f3b0", data=data)

    (listed,) = (await house.client.get(LIST)).json["items"]

    assert listed == sent | {"read_at": None}
    assert listed["data"] == data
