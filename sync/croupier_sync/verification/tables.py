"""What the other tables say, compared with where the log leads."""

import asyncpg

from croupier.durability import ONCE_TYPES
from croupier_schemas import keys
from croupier_schemas.events import EventId
from croupier_schemas.records import PLAYER
from croupier_sync.position import Cursor, read_position
from croupier_sync.rebuild import ROWS_AT_ONCE
from croupier_sync.verification.findings import PROBLEMS_MAX, Findings
from croupier_sync.verification.replay import TIMEOUT_S, Replay

_MIRROR = "SELECT key, field, value, epoch, seq FROM mirror WHERE partition = $1"
# An adoption writes all of the mirror at once, under its last event.
_OLDEST = "SELECT epoch, seq FROM mirror WHERE partition = $1 ORDER BY epoch, seq LIMIT 1"
_SAME_OP = f"""
SELECT op_id, count(*) AS count
FROM events WHERE partition = $1 GROUP BY op_id HAVING count(*) > 1 LIMIT {PROBLEMS_MAX}
"""
_SAME_KEY = f"""
SELECT uid, idempotency_key, array_agg(epoch || '-' || seq ORDER BY epoch, seq) AS entries
FROM events WHERE partition = $1 AND type IN {ONCE_TYPES} AND idempotency_key <> ''
GROUP BY uid, idempotency_key HAVING count(*) > 1 LIMIT {PROBLEMS_MAX}
"""


async def check_cursor(connection: asyncpg.Connection, replay: Replay, findings: Findings) -> None:
    """The cursor stands on the last event."""
    cursor = (await read_position(connection, replay.partition)).cursor
    last = Cursor.at(replay.last) if replay.last is not None else None
    if cursor == last:
        return
    if cursor is None or last is None:
        said = f"at {cursor.entry}" if cursor else "before the first event"
        found = f"at {last.entry}" if last else "empty"
        findings.add(
            "cursor", f"the cursor of partition {replay.partition} is {said}, and the log ends {found}"
        )
        return
    names = [name for name in Cursor._fields if getattr(cursor, name) != getattr(last, name)]
    findings.add(
        "cursor",
        f"the cursor of partition {replay.partition} stands on {cursor.entry}, and its {', '.join(names)} "
        f"differs from that of the last event, {last.entry}",
    )


async def check_mirror(connection: asyncpg.Connection, replay: Replay, findings: Findings) -> None:
    """The mirror is what the log leads to, byte for byte; its balances are what came in less what went out.

    Where an adoption has left events out, only the keys that were written since are known, and no sums. Takes the
    replay's state apart.
    """
    adopted = await _adopted_at(connection, replay)
    tokens = gems = 0
    pools: dict[tuple[str, str], bytes] = {}
    cursor = await connection.cursor(_MIRROR, replay.partition, timeout=TIMEOUT_S)
    while rows := await cursor.fetch(ROWS_AT_ONCE, timeout=TIMEOUT_S):
        for key, field, value, epoch, seq in rows:
            _check_row(replay, findings, adopted, key, field, value, EventId(replay.partition, epoch, seq))
            kind = keys.kind(key.encode())
            if kind == "player" and len(value) >= PLAYER.durable_size:
                player = PLAYER.unpack(bytes([PLAYER.version]) + value[1:])
                tokens, gems = tokens + player.tokens, gems + player.gems
            elif kind == "pool":
                pools[key, field] = value
    for key, field, event in replay.state.rest():
        findings.add("mirror", f"it lacks {_name(key, field)}, which the event wrote", event)
    if adopted is None:
        _check_sums(replay, findings, tokens, gems)
    for key, field, stock in replay.pools.held():
        held = pools.get((key, field))
        if held != str(stock.left).encode():
            findings.add(
                "pools",
                f"{_name(key, field)}: {stock.initial} at first + {stock.added} added - {stock.issued} issued "
                f"= {stock.left}, and the mirror holds {held!r}",
            )


async def _adopted_at(connection: asyncpg.Connection, replay: Replay) -> EventId | None:
    """Under which event the mirror was taken over from Redis; None where it never was."""
    if not replay.state.forgotten:
        return None
    row = await connection.fetchrow(_OLDEST, replay.partition, timeout=TIMEOUT_S)
    return EventId(replay.partition, *row) if row is not None else None


def _check_row(
    replay: Replay, findings: Findings, adopted: EventId | None, key: str, field: str, value: bytes, written: EventId
) -> None:  # fmt: skip
    expected = replay.state.take(key, field)
    if expected is None:
        if written != adopted:
            findings.add("mirror", f"it has {_name(key, field)}, which no event wrote")
        return
    image, event = expected
    if adopted is not None:
        event = max(event, adopted)
    if image != value:
        at = next(
            (at for at, (a, b) in enumerate(zip(image, value, strict=False)) if a != b),
            min(len(image), len(value)),
        )
        findings.add("mirror", f"{_name(key, field)} is not what the event wrote, from byte {at} on", event)
    elif event != written:
        findings.add("mirror", f"{_name(key, field)} is said to come from event {written}", event)


def _check_sums(replay: Replay, findings: Findings, tokens: int, gems: int) -> None:
    flow = replay.players.flow
    for currency, into, out, held in (
        ("tokens", flow.tokens_in, flow.tokens_out, tokens),
        ("gems", flow.gems_in, flow.gems_out, gems),
    ):
        if into - out != held:
            findings.add(
                "conservation", f"{currency}: {into} came in, {out} went out, and players hold {held}"
            )


async def check_once(connection: asyncpg.Connection, partition: int, findings: Findings) -> None:
    """No operation is in the log twice, and what is done at most once per key was."""
    for row in await connection.fetch(_SAME_OP, partition, timeout=TIMEOUT_S):
        findings.add("once", f"operation {row['op_id'].hex()} is in the log {row['count']} times")
    for row in await connection.fetch(_SAME_KEY, partition, timeout=TIMEOUT_S):
        first, second, *_ = row["entries"]
        findings.add(
            "once",
            f"player {row['uid']} got it under a key that event {partition}-{first} has already",
            EventId.parse(f"{partition}-{second}"),
        )


def _name(key: str, field: str) -> str:
    return f"{key} {field}" if field else key
