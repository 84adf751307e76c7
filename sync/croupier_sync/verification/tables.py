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
_BAD_LINES = f"""
SELECT DISTINCT ON (uid, currency) uid, currency, epoch, seq, line, delta, balance_after, sum::bigint
FROM (
  SELECT *, sum(delta) OVER (PARTITION BY uid, currency ORDER BY epoch, seq, line) AS sum
  FROM wallet_ledger WHERE partition = $1
) AS lines
WHERE sum <> balance_after ORDER BY uid, currency, epoch, seq, line LIMIT {PROBLEMS_MAX}
"""
_SUMS = "SELECT uid, currency, sum(delta)::bigint AS sum FROM wallet_ledger WHERE partition = $1 GROUP BY uid, currency"
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

    Takes the replay's state apart.
    """
    tokens = gems = 0
    pools: dict[tuple[str, str], bytes] = {}
    cursor = await connection.cursor(_MIRROR, replay.partition, timeout=TIMEOUT_S)
    while rows := await cursor.fetch(ROWS_AT_ONCE, timeout=TIMEOUT_S):
        for key, field, value, epoch, seq in rows:
            _check_row(replay, findings, key, field, value, EventId(replay.partition, epoch, seq))
            kind = keys.kind(key.encode())
            if kind == "player" and len(value) >= PLAYER.durable_size:
                player = PLAYER.unpack(bytes([PLAYER.version]) + value[1:])
                tokens, gems = tokens + player.tokens, gems + player.gems
            elif kind == "pool":
                pools[key, field] = value
    for key, field, event in replay.state.rest():
        findings.add("mirror", f"it lacks {_name(key, field)}, which the event wrote", event)
    _check_sums(replay, findings, tokens, gems)
    for key, field, stock in replay.pools.held():
        held = pools.get((key, field))
        if held != str(stock.left).encode():
            findings.add(
                "pools",
                f"{_name(key, field)}: {stock.initial} at first + {stock.added} added - {stock.issued} issued "
                f"= {stock.left}, and the mirror holds {held!r}",
            )


def _check_row(
    replay: Replay, findings: Findings, key: str, field: str, value: bytes, written: EventId
) -> None:
    expected = replay.state.take(key, field)
    if expected is None:
        findings.add("mirror", f"it has {_name(key, field)}, which no event wrote")
        return
    image, event = expected
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


async def check_ledger(connection: asyncpg.Connection, replay: Replay, findings: Findings) -> None:
    """The lines of each player lead from one balance to the next, and to the last. To be called before the mirror's."""
    for uid, currency, epoch, seq, line, delta, balance, total in await connection.fetch(
        _BAD_LINES, replay.partition, timeout=TIMEOUT_S
    ):
        findings.add(
            "ledger",
            f"line {line} ({delta:+} {currency} of player {uid}) says a balance of {balance}, "
            f"and the lines up to it come to {total}",
            EventId(replay.partition, epoch, seq),
        )
    owed: dict[tuple[int, str], int] = {}
    cursor = await connection.cursor(_SUMS, replay.partition, timeout=TIMEOUT_S)
    while rows := await cursor.fetch(ROWS_AT_ONCE, timeout=TIMEOUT_S):
        owed.update({(row["uid"], row["currency"]): row["sum"] for row in rows})
    for uid, player in replay.state.players():
        for currency, balance in (("tokens", player.tokens), ("gems", player.gems)):
            total = owed.pop((uid, currency), 0)
            if total != balance:
                findings.add(
                    "ledger", f"player {uid} has {balance} {currency}, and the ledger comes to {total}"
                )
    for (uid, currency), total in owed.items():
        findings.add("ledger", f"it has {total} {currency} of player {uid}, whom the log does not know")


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
