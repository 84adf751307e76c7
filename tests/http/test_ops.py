"""Asking over HTTP what became of an attempt, by the `Op-Id` of its reply."""

import pytest

from croupier_cli.embedded import Valkey
from croupier_schemas import keys
from tests.http.support import PULL, Client, assert_is_error, running, settings_for, token, until_ready
from tests.transport.proxy import Direction, Kind, Proxy

OPS = "/api/ops/"


async def test_given_a_pull_whose_outcome_is_unknown_when_its_op_id_is_asked_for_then_it_was_applied(
    valkey: Valkey, redis_url: str
) -> None:
    async with Proxy(str(valkey.socket_path)) as proxy, running(settings_for(proxy.url)) as client:
        assert (await client.post(PULL)).status == 200
        asked = keys.idempotency(0, 42, "order-1").encode()
        proxy.disturb(Direction.REPLIES, Kind.CUT, after_bytes=0, asked=asked)
        lost = await client.post(PULL, key="order-1")
        assert_is_error(lost, 503, "OUTCOME_UNKNOWN")
        await until_ready(client)

        found = await client.get(OPS + lost.headers["Op-Id"])

        again = await client.post(PULL, key="order-1")
        assert found.status == 200
        assert found.json["op_id"] == lost.headers["Op-Id"]
        assert (found.json["outcome"], found.json["type"]) == ("applied", "gacha.pulled")
        assert found.json["event_id"] == again.json["receipt"]["event_id"]
        assert found.json["durable"] is None
        # The repeat did nothing itself, but it may have until its time is over.
        assert (await client.get(OPS + again.headers["Op-Id"])).json["outcome"] == "unknown"


async def test_given_anothers_op_id_when_asked_for_then_only_an_admin_is_told(client: Client) -> None:
    op_id = (await client.post(PULL)).headers["Op-Id"]

    assert (await client.get(OPS + op_id)).json["outcome"] == "applied"
    assert (await client.get(OPS + op_id, bearer=token(7))).json["outcome"] == "unknown"
    assert (await client.get(OPS + op_id, bearer=token(7, role="admin"))).json["outcome"] == "applied"


@pytest.mark.parametrize(
    "op_id", ["x", "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "g", "0" * 32 + "%0A", "0-1-1"]
)
async def test_given_what_is_no_op_id_when_asked_for_then_422_names_the_field(
    client: Client, op_id: str
) -> None:
    body = assert_is_error(await client.get(OPS + op_id), 422, "VALIDATION_ERROR")

    assert body["details"]["field"] == "op_id"


async def test_given_no_token_when_an_op_id_is_asked_for_then_401(client: Client) -> None:
    assert_is_error(await client.get(OPS + "0" * 32, bearer=""), 401, "UNAUTHENTICATED")
