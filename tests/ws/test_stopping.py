"""The end of a worker: its sockets end in order, and none holds it up."""

import asyncio
import contextlib
import json

import pytest

from croupier_http.ws import connection as connections
from tests.http.support import DEADLINE_S, Client, running, settings_for, token
from tests.ws.raw import CLOSE, Raw, frame, raw_socket
from tests.ws.support import MONITOR, WS

NOTIFICATIONS = "/ws/notifications/1"
ADMIN = token(1, role="admin")
NEVER_S = 3600.0


async def closing(raw: Raw) -> tuple[dict[str, object], int]:
    """The last push before the close frame, and the code of that."""
    last: dict[str, object] = {}
    async with asyncio.timeout(DEADLINE_S):
        opcode, payload = await raw.read()
        while opcode != CLOSE:
            last = json.loads(payload)
            opcode, payload = await raw.read()
    return last, int.from_bytes(payload[:2], "big")


async def test_given_clients_that_answer_the_close_frame_when_the_worker_stops_then_it_waits_for_no_timeout(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CLOSING_TIMEOUT_S", NEVER_S)  # so a client not heard would hold it up
    async with asyncio.timeout(DEADLINE_S), contextlib.AsyncExitStack() as stack:
        async with running(settings_for(redis_url)) as client:
            sockets = await many(stack, client, 120)
            answers = [asyncio.create_task(answered(raw)) for raw in sockets]
        ends = await asyncio.gather(*answers)

    assert {code for _, code in ends} == {1012}
    waits = [hint["after_ms"] for hint, _ in ends]
    assert all(hint["type"] == "reconnect" for hint, _ in ends)
    assert all(isinstance(each, int) and 0 <= each < 1_000 + len(sockets) for each in waits)
    assert len(set(waits)) > len(sockets) // 2  # they do not come back all at once


async def many(stack: contextlib.AsyncExitStack, client: Client, count: int) -> list[Raw]:
    """Sockets of all kinds, greeted."""
    paths = [(WS, None), (MONITOR, ADMIN), (NOTIFICATIONS, ADMIN)]
    sockets = []
    for number in range(count):
        path, bearer = paths[number] if number < len(paths) else paths[0]
        bearer = bearer or token(10 + number)
        raw = await stack.enter_async_context(raw_socket(client, path, bearer=bearer))
        await raw.read()
        sockets.append(raw)
    return sockets


async def answered(raw: Raw) -> tuple[dict[str, object], int]:
    """Read to the close frame, and answer it."""
    hint, code = await closing(raw)
    raw.writer.write(frame(code.to_bytes(2, "big"), CLOSE))
    return hint, code


async def test_given_clients_that_never_answer_when_the_worker_stops_then_it_ends_them_itself(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CLOSING_TIMEOUT_S", 0.1)
    async with asyncio.timeout(DEADLINE_S), contextlib.AsyncExitStack() as stack:
        async with running(settings_for(redis_url)) as client:
            sockets = await many(stack, client, 20)
        ends = [await closing(raw) for raw in sockets]
        rests = [await raw.reader.read() for raw in sockets]

    assert {code for _, code in ends} == {1012}
    assert rests == [b""] * len(sockets)
