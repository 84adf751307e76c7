"""A live server seed is in Redis' volatile fields and nowhere else: a whole installation is searched for it."""

import asyncio
import re
import urllib.request
from pathlib import Path

import asyncpg

from croupier.fairness.seeds import MasterKeys, ServerSeed
from croupier.transport import Transport
from tests.cli.support import DEADLINE_S, Up, running_up
from tests.embedded.support import query, wait_until

PLAYER = 42


def traces(seed: ServerSeed) -> list[bytes]:
    """A quarter of the seed, or of one of the HMAC pads, as text, as bytes and in hexadecimal."""
    text = seed.reveal().encode()
    forms = [
        text,
        bytes.fromhex(text.decode()),
        *(bytes(byte ^ mask for byte in text) for mask in (0x36, 0x5C)),
    ]
    quarters = [
        form[at : at + len(form) // 4] for form in forms for at in range(0, len(form), len(form) // 4)
    ]
    return [*quarters, *(quarter.hex().encode() for quarter in quarters)]


def play(up: Up) -> list[bytes]:
    """Pulls, a replay, a refusal, rotations and queries; the pages of the server itself. All that was answered."""
    answers = []
    for number in range(5):  # the daily limit is three, and what is refused is searched too
        answers.append(post(up, "/api/games/gacha/pull", b'{"count": 1}', f"key-{number}"))
        answers.append(post(up, "/api/games/gacha/pull", b'{"count": 1}', f"key-{number}"))
        answers.append(post(up, "/api/fairness/rotate", b"{}", ""))
    pages = ("/metrics", "/health", "/ready", "/docs", "/openapi.json")
    queries = ("/api/fairness", "/api/fairness/receipts/0-1-2", "/api/wallet", "/api/games/history")
    return answers + [post(up, path, None, "") for path in (*pages, *queries)]


def post(up: Up, path: str, body: bytes | None, key: str) -> bytes:
    """Headers and body of the answer, whatever its status."""
    headers = {"Authorization": f"Bearer {up.ready['token']}", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": key} if key else {}
    request = urllib.request.Request(up.ready["url"] + path, data=body, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Anything())
    with opener.open(request, timeout=10) as reply:
        return bytes(str(reply.headers), "latin-1") + bytes(reply.read())


class Anything(urllib.request.HTTPErrorProcessor):
    """Takes every status as an answer."""

    def http_response(self, request, response):  # type: ignore[no-untyped-def]
        return response


async def everything_in(database_url: str) -> bytes:
    """Every row of every table, as Postgres prints it."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [
            row["line"]
            for table in tables
            for row in await connection.fetch(f'SELECT t::text AS line FROM "{table["tablename"]}" t')
        ]
        return "\n".join(rows).encode()
    finally:
        await connection.close()


async def outbox_of(redis_url: str) -> bytes:
    """Every entry of every outbox."""
    transport = Transport(redis_url)
    await transport.open()
    streams = await transport.call("KEYS", "{*}:outbox:*")
    assert isinstance(streams, list)
    assert streams
    entries = [repr(await transport.call("XRANGE", stream, "-", "+")).encode() for stream in streams]  # type: ignore[arg-type]
    record = await transport.call("GET", f"{{0}}:player:{PLAYER}")
    await transport.close()
    assert isinstance(record, bytes)
    return b"\n".join([*entries, record[:113].hex().encode()])


def test_given_a_whole_installation_when_it_is_searched_for_live_seeds_then_there_is_none(
    tmp_path: Path,
) -> None:
    with running_up(tmp_path / "data", CROUPIER_LOG_LEVEL="debug") as up:
        answers = play(up)
        secrets = (tmp_path / "data" / "secrets.env").read_text()
        master_keys = MasterKeys.parse(re.findall(r"^CROUPIER_MASTER_KEYS=(.+)$", secrets, re.MULTILINE)[0])
        redis_url, database_url = up.ready["redis_url"], up.ready["database_url"]
        installation = query(database_url, "SELECT id FROM installation")
        wait_until(lambda: query(database_url, "SELECT count(*) FROM events") == 2 + 3 + 5, DEADLINE_S)
        searched = {
            "answers": b"\n".join(answers),
            "Postgres": asyncio.run(everything_in(database_url)),
            "outbox": asyncio.run(outbox_of(redis_url)),
            "log": up.said().encode(),
        }
        up.stop()

    revealed = master_keys.seed(installation, PLAYER, 1)
    assert revealed.reveal().encode() in searched["answers"]  # the search can find
    assert revealed.reveal().encode().hex().encode() in searched["Postgres"]
    live = master_keys.seed(installation, PLAYER, 6)
    assert live.commitment.hex().encode() in searched["answers"]
    found = [(where, trace) for where, text in searched.items() for trace in traces(live) if trace in text]
    assert found == []
    secret = master_keys.seed(installation, PLAYER, 7)
    assert [where for where, text in searched.items() if any(trace in text for trace in traces(secret))] == []
