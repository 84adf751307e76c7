"""What needs a token is refused without one, and what is for administrators to players, before anything is done."""

from typing import Any

import pytest

from croupier.registry import ACTIONS, BATCHES, COMMANDS, QUERIES
from croupier_http.console.operations import OPERATIONS
from tests.http.support import Client, assert_is_error, dump, forged, running, settings_for, token

POSTED: list[Any] = [*COMMANDS, *ACTIONS, *BATCHES]
ALL: list[tuple[str, Any]] = [("POST", each) for each in POSTED] + [
    ("GET", each) for each in (*QUERIES, OPERATIONS)
]
FOR_ADMINS = [
    (method, each)
    for method, each in ALL
    if "/admin/" in each.path or getattr(each, "access", "player") == "admin"
]


def _address(path: str) -> str:
    for place in ("user_id", "id", "event_id", "op_id", "version"):
        path = path.replace(f"{{{place}}}", "1")
    return path


@pytest.mark.parametrize("bearer", ["", "x.y.z", forged(secret="x" * 64, role="admin"), token(1, ttl_s=-1)])
async def test_given_no_good_token_when_anything_is_asked_for_then_401(redis_url: str, bearer: str) -> None:
    settings = settings_for(redis_url, stranger_rate_per_second=0, stranger_rate_per_minute=0)
    async with running(settings) as client:
        for method, each in ALL:
            reply = await client.request(method, _address(each.path), bearer=bearer, body=b"{}")
            assert_is_error(reply, 401, "UNAUTHENTICATED")


async def test_given_a_player_when_what_is_for_administrators_is_asked_for_then_403_and_nothing_changes(
    client: Client, redis_url: str
) -> None:
    before = dump(redis_url)
    for method, each in FOR_ADMINS:
        reply = await client.request(method, _address(each.path), bearer=token(tier="VIP"), body=b"{}")
        assert_is_error(reply, 403, "FORBIDDEN")
    assert dump(redis_url) == before
