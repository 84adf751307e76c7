"""What Postgres remembers of a player: rounds played, and every change of a balance.

`as_of` is the time of the last event that Postgres holds of the caller's partition, by the clock of the Redis server:
whatever happened up to then is in the page, wherever the sync daemon is. Nothing happening leaves it where it is.
"""

import base64
import binascii
import datetime
import struct
from typing import NamedTuple, Self

import asyncpg
import msgspec

from croupier.clock import utc
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.partition import PARTITIONS
from croupier.postgres import asking_postgres
from croupier.query import Query, Sources
from croupier_schemas.economy import Tier
from croupier_schemas.events import EventId
from croupier_schemas.wallet import (
    HistoryItem,
    HistoryQuery,
    HistoryReply,
    LedgerEntry,
    LedgerQuery,
    LedgerReply,
)

QUERY_TIMEOUT_S = 5.0

# One statement a page, so that its items, their total and `as_of` are of one moment. It always has a row: a page
# without items is one row of which only the first two columns are filled.
_AS_OF = """
coalesce(
    (SELECT ts_ms FROM partitions WHERE partition = $1),
    (SELECT (extract(epoch FROM created_at) * 1000)::bigint FROM installation)
) AS as_of_ms
"""

_HISTORY = f"""
WITH mine AS NOT MATERIALIZED (
    SELECT * FROM game_history
    WHERE uid = $2 AND ($3::text IS NULL OR game_type = $3) AND ($4::timestamptz IS NULL OR created_at >= $4)
)
SELECT (SELECT count(*) FROM mine) AS total, {_AS_OF}, page.*
FROM (VALUES (1)) AS always_one
LEFT JOIN LATERAL (
    SELECT epoch, seq, 0 AS line, game_type, action_type, delta_coin, delta_gem, result_meta, created_at
    FROM mine
    WHERE $5::bigint IS NULL OR (epoch, seq) < ($5, $6)
    ORDER BY epoch DESC, seq DESC
    LIMIT $7 OFFSET $8
) AS page ON true
ORDER BY epoch DESC, seq DESC
"""

_LEDGER = f"""
WITH mine AS NOT MATERIALIZED (
    SELECT * FROM wallet_ledger WHERE uid = $2 AND ($3::text IS NULL OR currency = $3)
)
SELECT (SELECT count(*) FROM mine) AS total, {_AS_OF}, page.*
FROM (VALUES (1)) AS always_one
LEFT JOIN LATERAL (
    SELECT epoch, seq, line, type, currency, delta, balance_after, created_at
    FROM mine
    WHERE $4::bigint IS NULL OR (epoch, seq, line) < ($4, $5, $6)
    ORDER BY epoch DESC, seq DESC, line DESC
    LIMIT $7
) AS page ON true
ORDER BY epoch DESC, seq DESC, line DESC
"""

_DAILY_REMAINING = (
    "SELECT tier, sum(remaining)::bigint AS remaining FROM gacha_daily WHERE day = $1 GROUP BY tier"
)

# What Postgres can compare with a time; nothing was played before or will be after.
_SINCE_MIN = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SINCE_MAX = datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC)


class _Place(NamedTuple):
    """Where a page ended: the position of its last item in the log. Clients get it as an opaque `next_cursor`."""

    epoch: int
    seq: int
    line: int

    @classmethod
    def parse(cls, cursor: str | None) -> Self | None:
        """Raises CroupierError VALIDATION_ERROR for what `text` has not made."""
        if cursor is None:
            return None
        try:
            place = cls._make(_PLACE.unpack(base64.b64decode(cursor, altchars=b"-_", validate=True)))
        except (ValueError, binascii.Error, struct.error):
            place = None
        if place is None or place.text() != cursor or max(place) >= 2**53:
            details = {"field": "cursor", "allowed": "`next_cursor` of the page before", "received": cursor}
            raise CroupierError("VALIDATION_ERROR", details=details)
        return place

    def text(self) -> str:
        """As a client sees it: 24 characters."""
        return base64.urlsafe_b64encode(_PLACE.pack(*self)).decode()


_PLACE = struct.Struct(">QQH")


async def history(sources: Sources, caller: Caller, params: HistoryQuery) -> HistoryReply:
    """A page of the caller's rounds, newest first. Raises CroupierError VALIDATION_ERROR and NOT_READY."""
    if params.cursor is not None and params.offset:
        details = {"field": "offset", "allowed": "either offset or cursor", "received": params.offset}
        raise CroupierError("VALIDATION_ERROR", details=details)
    place = _Place.parse(params.cursor)
    partition = caller.uid % PARTITIONS
    page = await _page(
        sources,
        params.limit,
        _HISTORY,
        partition, caller.uid, params.game_type, _since(params.since), place and place.epoch, place and place.seq,
        params.limit + 1, params.offset,
    )  # fmt: skip
    items = [
        HistoryItem(
            game_type=row["game_type"],
            action_type=row["action_type"],
            delta_coin=row["delta_coin"],
            delta_gem=row["delta_gem"],
            result_meta=msgspec.json.decode(row["result_meta"], type=dict[str, object]),
            created_at=row["created_at"],
            event_id=str(EventId(partition, row["epoch"], row["seq"])),
        )
        for row in page.rows
    ]
    return HistoryReply(page.total, items, page.next_cursor, page.as_of)


async def ledger(sources: Sources, caller: Caller, params: LedgerQuery) -> LedgerReply:
    """A page of the changes of the caller's balances, newest first. Raises CroupierError like `history`."""
    place = _Place.parse(params.cursor)
    partition = caller.uid % PARTITIONS
    page = await _page(
        sources,
        params.limit,
        _LEDGER,
        partition, caller.uid, params.currency, *(place or (None, None, None)), params.limit + 1,
    )  # fmt: skip
    entries = [
        LedgerEntry(
            time=row["created_at"],
            type=row["type"],
            currency=row["currency"],
            delta=row["delta"],
            balance_after=row["balance_after"],
            event_id=str(EventId(partition, row["epoch"], row["seq"])),
        )
        for row in page.rows
    ]
    return LedgerReply(page.total, entries, page.next_cursor, page.as_of)


async def daily_remaining(pool: asyncpg.Pool, day: int) -> dict[Tier, int]:
    """Pulls left on `day` (days since 1970-01-01), summed by tier over the players who pulled on it.

    Raises asyncpg's errors.
    """
    rows = await pool.fetch(_DAILY_REMAINING, day, timeout=QUERY_TIMEOUT_S)
    return {row["tier"]: row["remaining"] for row in rows}


class _Page(NamedTuple):
    rows: list[asyncpg.Record]
    total: int
    next_cursor: str | None
    as_of: datetime.datetime


async def _page(sources: Sources, limit: int, statement: str, *arguments: object) -> _Page:
    """Run a statement that asks for one row more than the page has, to see whether another page follows."""
    with asking_postgres():
        rows = await sources.pool.fetch(statement, *arguments, timeout=QUERY_TIMEOUT_S)
    total, as_of = rows[0]["total"], utc(rows[0]["as_of_ms"])
    found = [row for row in rows if row["epoch"] is not None]
    more = len(found) > limit
    found = found[:limit]
    last = _Place(found[-1]["epoch"], found[-1]["seq"], found[-1]["line"]) if more else None
    return _Page(found, total, last and last.text(), as_of)


def _since(since: datetime.datetime | None) -> datetime.datetime | None:
    if since is None:
        return None
    if since.tzinfo is None:
        details = {"field": "since", "allowed": "RFC 3339 with a time zone", "received": since.isoformat()}
        raise CroupierError("VALIDATION_ERROR", details=details)
    return min(max(since, _SINCE_MIN), _SINCE_MAX)


HISTORY = Query(
    name="games.history",
    path="/api/games/history",
    summary="The caller's rounds, newest first",
    params=HistoryQuery,
    reply=HistoryReply,
    answer=history,
)
LEDGER = Query(
    name="wallet.ledger",
    path="/api/wallet/ledger",
    summary="Every change of the caller's balances, newest first",
    params=LedgerQuery,
    reply=LedgerReply,
    answer=ledger,
)
