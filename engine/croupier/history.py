"""What Postgres remembers of a player: rounds played, and every change of a balance."""

import datetime

import asyncpg
import msgspec

from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.paging import AS_OF, QUERY_TIMEOUT_S, Place, read_page, require_one_way
from croupier.partition import PARTITIONS
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

_HISTORY = f"""
WITH mine AS NOT MATERIALIZED (
    SELECT * FROM game_history
    WHERE uid = $2 AND ($3::text IS NULL OR game_type = $3) AND ($4::timestamptz IS NULL OR created_at >= $4)
)
SELECT (SELECT count(*) FROM mine) AS total, {AS_OF}, page.*
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
SELECT (SELECT count(*) FROM mine) AS total, {AS_OF}, page.*
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


async def history(sources: Sources, caller: Caller, params: HistoryQuery) -> HistoryReply:
    """A page of the caller's rounds, newest first. Raises CroupierError VALIDATION_ERROR and NOT_READY."""
    require_one_way(params.offset, params.cursor)
    place = Place.parse(params.cursor)
    partition = caller.uid % PARTITIONS
    page = await read_page(
        sources,
        params.limit,
        _HISTORY,
        partition, caller.uid, params.game_type, bounded_since(params.since), place and place.epoch,
        place and place.seq, params.limit + 1, params.offset,
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
    place = Place.parse(params.cursor)
    partition = caller.uid % PARTITIONS
    page = await read_page(
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


def bounded_since(since: datetime.datetime | None) -> datetime.datetime | None:
    """A time that Postgres can compare with. Raises CroupierError VALIDATION_ERROR for one without a zone."""
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
    without_redis=True,
)
LEDGER = Query(
    name="wallet.ledger",
    path="/api/wallet/ledger",
    summary="Every change of the caller's balances, newest first",
    params=LedgerQuery,
    reply=LedgerReply,
    answer=ledger,
    without_redis=True,
)
