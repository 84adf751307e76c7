"""A live server seed is in Redis' volatile fields and nowhere else: a whole installation is searched for it."""

import asyncio
import re
import urllib.request
from pathlib import Path
from typing import Any, cast

import asyncpg
from msgspec.structs import replace

from croupier.economy import canonical, load_economy
from croupier.fairness.seeds import MasterKeys, ServerSeed
from croupier.transport import Transport
from croupier_schemas.economy import RateLimit
from croupier_schemas.records import PLAYER as PLAYER_RECORD
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
    """All games, a replay, a refusal, rotations and queries; the pages of the server itself. All that was answered."""
    answers = []
    for number in range(5):  # the daily limit is three, and what is refused is searched too
        answers.append(post(up, "/api/games/gacha/pull", b'{"count": 1}', f"key-{number}"))
        answers.append(post(up, "/api/games/gacha/pull", b'{"count": 1}', f"key-{number}"))
        answers.append(post(up, "/api/fairness/rotate", b"{}", ""))
    answers.append(post(up, "/api/games/slot/spin", b'{"bet_amount": 100}', ""))
    answers.append(post(up, "/api/games/rps/play", b'{"player_move": "ROCK"}', ""))
    bet = post(up, "/api/games/crash/bet", b'{"bet_amount": 10}', "")
    answers += [bet, post(up, "/api/fairness/rotate", b"{}", "")]  # which is refused: the bet is open
    game_id = re.findall(rb'"game_id":"(\w+)"', bet)[0]
    answers.append(post(up, "/api/games/crash/cashout", b'{"game_id": "%s"}' % game_id, ""))
    pages = ("/metrics", "/health", "/ready", "/docs", "/openapi.json")
    receipts = re.findall(rb'"event_id":"([-0-9]+)"', b"".join(answers))
    queries = ["/api/fairness", "/api/wallet", "/api/games/history", "/api/games/crash/debug/current"]
    queries += [f"/api/fairness/receipts/{event_id.decode()}" for event_id in receipts]
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
    _, streams = cast(Any, await transport.call("SCAN", 0, "MATCH", "{*}:outbox:*", "COUNT", 1_000_000))
    assert streams
    entries = [repr(await transport.call("XRANGE", stream, "-", "+")).encode() for stream in streams]
    record = await transport.call("GET", f"{{0}}:player:{PLAYER}")
    await transport.close()
    assert isinstance(record, bytes)
    return b"\n".join([*entries, record[: PLAYER_RECORD.durable_size].hex().encode()])


def test_given_a_whole_installation_when_it_is_searched_for_live_seeds_then_there_is_none(
    tmp_path: Path,
) -> None:
    economy = tmp_path / "economy.json"
    # All is asked for within a second, and nothing may be refused for that.
    economy.write_bytes(canonical(replace(load_economy(), rate_limit=RateLimit(mode="shadow"))))
    with running_up(tmp_path / "data", CROUPIER_LOG_LEVEL="debug", CROUPIER_ECONOMY=str(economy)) as up:
        answers = play(up)
        secrets = (tmp_path / "data" / "secrets.env").read_text()
        master_keys = MasterKeys.parse(re.findall(r"^CROUPIER_MASTER_KEYS=(.+)$", secrets, re.MULTILINE)[0])
        redis_url, database_url = up.redis_url, up.ready["database_url"]
        installation = query(database_url, "SELECT id FROM installation")
        wait_until(lambda: query(database_url, "SELECT count(*) FROM events") == 2 + 3 + 5 + 4, DEADLINE_S)
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
    for played in (b"gacha.pulled", b"slot.spun", b"rps.played", b"crash.bet_placed"):
        assert b'"type":"%s"' % played in searched["answers"]  # the receipts are among what is searched
    live = master_keys.seed(installation, PLAYER, 6)
    assert live.commitment.hex().encode() in searched["answers"]
    found = [(where, trace) for where, text in searched.items() for trace in traces(live) if trace in text]
    assert found == []
    secret = master_keys.seed(installation, PLAYER, 7)
    assert [where for where, text in searched.items() if any(trace in text for trace in traces(secret))] == []
