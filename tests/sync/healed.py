"""What must be true of a partition that was healed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from croupier.durability import Durability
from croupier.engine import Engine
from croupier.transport import Transport
from croupier_cli.embedded import Valkey
from croupier_schemas import keys
from croupier_schemas.events import BODY_RATE_BLOCKED, Change, decode_changes
from croupier_schemas.records import CRASH, SESSION
from tests.sync.rounds import Rounds
from tests.sync.support import PARTITION, Casino

_REQUEST_HASH, _OP_ID, _ECONOMY, _TIME = 16, 16, 32, 8
"""Sizes of the parts of what is kept."""


@asynccontextmanager
async def casino_on(server: Valkey, database_url: str) -> AsyncIterator[Casino]:
    """A casino with connections of its own, whose engine asks Postgres."""
    transport = Transport(server.url)
    await transport.open()
    connection = await asyncpg.connect(database_url)
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=4)
    casino = Casino.of(server.url, database_url, transport, connection)
    casino.engine = Engine(transport, casino.engine.settings, Durability(pool, timeout_s=5.0))
    try:
        yield casino
    finally:
        await pool.close()
        await connection.close()
        await transport.close()


async def heals(casino: Casino) -> list[asyncpg.Record]:
    """The rows of all heals, the first one first."""
    return list(await casino.connection.fetch("SELECT * FROM heals ORDER BY epoch"))


async def require_whole(casino: Casino) -> None:
    """Redis, the mirror and the fold of all events are the same, and the indexes say what the records say.

    To be called when the daemon has caught up.
    """
    state = await casino.durable_state()
    assert await casino.mirror() == state
    assert await _fold(casino.connection) == state
    assert await indexes(casino) == indexes_of(state)
    await _require_gapless(casino.connection)


async def _fold(connection: asyncpg.Connection) -> dict[tuple[str, str], bytes]:
    state: dict[tuple[str, str], bytes] = {}
    for row in await connection.fetch("SELECT changes FROM events ORDER BY epoch, seq"):
        for change in decode_changes(row["changes"]):
            _play(state, change)
    return state


def _play(state: dict[tuple[str, str], bytes], change: Change) -> None:
    if change.value is None:
        for place in [place for place in state if place[0] == change.key]:
            del state[place]
    else:
        state[change.key, change.field] = change.value


async def _require_gapless(connection: asyncpg.Connection) -> None:
    rows = await connection.fetch(
        "SELECT epoch, min(seq) AS first, max(seq) AS last, count(*) AS events FROM events GROUP BY epoch"
    )
    assert all((row["first"], row["last"]) == (0, row["events"] - 1) for row in rows)


async def indexes(casino: Casino) -> tuple[dict[bytes, int], set[bytes]]:
    """The open bets with their times, and the open sessions, as the sweeper finds them."""
    call = casino.administer
    bets: Any = await call("ZRANGE", keys.crash_open(PARTITION), 0, -1, "WITHSCORES")
    sessions: Any = await call("ZRANGE", keys.session_open(PARTITION), 0, -1)
    times = {uid: int(score) for uid, score in zip(bets[::2], bets[1::2], strict=True)}
    return times, set(sessions)


def indexes_of(state: dict[tuple[str, str], bytes]) -> tuple[dict[bytes, int], set[bytes]]:
    """The same, from the records."""
    bets: dict[bytes, int] = {}
    sessions: set[bytes] = set()
    for (name, _), value in state.items():
        _, kind, *place = name.split(":")
        if kind == "crash" and (crash := CRASH.unpack(value)).bet:
            bets[place[0].encode()] = crash.started_at_ms
        elif kind == "session" and not SESSION.unpack(value).ended_at_ms:
            sessions.add(":".join(place).encode())
    return bets, sessions


async def require_replies(casino: Casino, rounds: Rounds) -> int:
    """Whoever asks again under a key whose event Postgres has gets the same reply; how many those were."""
    rows = await casino.connection.fetch("SELECT epoch, seq FROM events")
    held = {(row["epoch"], row["seq"]) for row in rows}
    kept = [
        answered
        for answered in rounds.answered
        if answered.event is not None and (answered.event.epoch, answered.event.seq) in held
    ]
    # All at once, because some wait for the next look of their engine at Postgres, which is then the same for all.
    repeated = await asyncio.gather(*(rounds.repeat(casino.engine, answered) for answered in kept))
    for answered, again in zip(kept, repeated, strict=True):
        assert again.replayed, answered
        assert again.reply == answered.reply
    return len(kept)


async def require_keys_gone(casino: Casino) -> None:
    """Nothing is kept under the key of an event that Postgres does not have. When the daemon has caught up."""
    rows = await casino.connection.fetch(
        "SELECT uid, idempotency_key FROM events WHERE idempotency_key <> ''"
    )
    held = {keys.idempotency(PARTITION, row["uid"], row["idempotency_key"]).encode() for row in rows}
    kept: Any = await casino.administer("KEYS", f"{{{PARTITION}}}:idem:*")
    assert kept and set(kept) <= held


async def kept_replies(casino: Casino) -> dict[bytes, bytes]:
    """What is kept under each idempotency key, but for the bit that says what a rate limit would have done."""
    names: Any = await casino.administer("KEYS", f"{{{PARTITION}}}:idem:*")
    found = {}
    for name in sorted(names):
        value: Any = await casino.transport.call("GET", name)
        terms_at = _REQUEST_HASH + _OP_ID + _ECONOMY + 2
        entry_at = terms_at + int.from_bytes(value[terms_at - 2 : terms_at], "big")
        bits_at = entry_at + 1 + value[entry_at] + _TIME
        found[name] = value[:bits_at] + bytes([value[bits_at] & ~BODY_RATE_BLOCKED]) + value[bits_at + 1 :]
    return found


async def require_keys_expire(casino: Casino, kept_s: float) -> None:
    """No idempotency key lasts longer than a new one would."""
    names: Any = await casino.administer("KEYS", f"{{{PARTITION}}}:idem:*")
    for name in names:
        left_ms: Any = await casino.administer("PTTL", name)
        assert 0 < left_ms <= kept_s * 1000
