"""No client can make series: whatever it sends, each label keeps to values that are known beforehand."""

import contextlib
import json
import re
from http import HTTPStatus
from typing import Final

import aiohttp

from croupier.economy import load_economy
from croupier.registry import COMMANDS
from croupier_schemas.economy import RARITIES, TIERS
from croupier_schemas.errors import ERRORS
from tests.http.support import PULL, Client, forged, running, settings_for, token, until
from tests.ops.exported import series
from tests.ws.raw import CLOSE, frame, raw_socket
from tests.ws.support import MONITOR, WS, connected

STRANGE: Final = [f"strange-{number}" for number in range(10)]
_OWN_CODES: Final = {4401, 4403, 4429}
_SAMPLE: Final = re.compile(r"^([a-z_]+)\{(.*)\} \S+$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:\\.|[^"\\])*)"')


def known_values(operations: set[str]) -> dict[str, set[str]]:
    """The values that each label may have, but for `le`."""
    return {
        "operation": operations,
        "endpoint": operations,
        "status": {str(status.value) for status in HTTPStatus},
        "command": {command.name for command in COMMANDS},
        "outcome": {"ok", "replayed", *ERRORS},
        "user_tier": {*TIERS, "none"},
        "kind": {"player", "monitor", "notifications"},
        "direction": {"in", "out"},
        "code": {str(code) for code in (*range(1000, 1016), *_OWN_CODES)} | {"other"},
        "banner": set(load_economy().gacha.banners),
        "rarity": set(RARITIES),
        "sink": {"postgres"},
        "mode": {"deterministic", "rps", "rate_limit_shadow"},
    }


def seen_in(exposition: bytes) -> set[tuple[str, str]]:
    """Labels with their values, of the metrics of Croupier's own."""
    ours = series().keys()
    return {
        (label, value)
        for name, labels in _SAMPLE.findall(exposition.decode())
        if name in ours
        for label, value in _LABEL.findall(labels)
        if label != "le"
    }


async def strange_requests(client: Client) -> None:
    """Paths, methods, tokens and bodies that nobody foresaw; with and without a token that is good."""
    for name in STRANGE:
        for bearer in ("", token()):
            await client.get(f"/api/{name}", bearer=bearer)
            await client.get(f"/api/fairness/receipts/{name}", bearer=bearer)
            await client.get(f"/ws/notifications/{name}", bearer=bearer)
        await client.request("PROPFIND", PULL)
        await client.request(name.upper(), PULL)  # no method at all
        await client.request(name.upper(), f"/{name}", bearer="")
        await client.post(PULL, {"count": 1, "banner": name})
        await client.post("/api/actions", {"action_type": name.replace("-", "_"), "action_data": {}})
        for claims in ({"tier": name}, {"role": name}, {"tier": "VIP", "user_tier": name}):
            await client.post(PULL, {"count": 1}, bearer=forged(**claims))


async def strange_sockets(client: Client) -> None:
    """Commands, subprotocols, paths and close codes that nobody foresaw."""
    async with connected(client) as socket:
        for name in STRANGE:
            await socket.ws.send_str(json.dumps([name, f"strange.{name}", {"banner": name}]))
            await socket.ws.send_str(json.dumps([name, "gacha.pull", {"banner": name}]))
            await socket.receive()
    for number, name in enumerate(STRANGE):
        with contextlib.suppress(aiohttp.WSServerHandshakeError):
            async with connected(client, f"{WS}/{name}", protocol=name):
                pass
        async with raw_socket(client, MONITOR, bearer=token(1, role="admin")) as raw:
            raw.writer.write(frame((3000 + 50 * number).to_bytes(2, "big"), CLOSE))


async def test_given_clients_that_send_what_nobody_foresaw_when_scraped_then_no_label_has_a_value_of_theirs(
    redis_url: str,
) -> None:
    async with running(settings_for(redis_url, stranger_rate_per_second=3)) as client:
        # The histogram of each operation is there before its first request.
        operations = {
            value for label, value in seen_in((await client.get("/metrics")).body) if label == "operation"
        }
        await strange_requests(client)
        await strange_sockets(client)

        async def closes_are_counted() -> bool:
            return 'websocket_closes_total{code="other"' in (await client.get("/metrics")).body.decode()

        await until(closes_are_counted, "WebSockets that were closed")
        shown = (await client.get("/metrics")).body

    assert b"strange" not in shown.lower()
    seen, known = seen_in(shown), known_values(operations)
    assert {each for each in seen if each[1] not in known[each[0]]} == set()
    assert {("operation", "unknown"), ("user_tier", "none"), ("outcome", "BANNER_NOT_FOUND")} <= seen
