"""The event log, newest first, with filters."""

from typing import Any, Final

import asyncpg
import msgspec

from croupier.clock import utc
from croupier.command import Caller
from croupier.history import bounded_since
from croupier.paging import AS_OF, QUERY_TIMEOUT_S, Place
from croupier.partition import PARTITIONS
from croupier.postgres import asking_postgres
from croupier.query import Query, Sources
from croupier_schemas.admin import EventItem, EventsQuery, EventsReply
from croupier_schemas.events import SYSTEM, EventId

SCANNED_MAX: Final = 50_000
"""Events that one page looks at."""


def _page(whose: str) -> str:
    """The statement of a page. `scanned` is bounded before it is filtered, and read only as far as the page needs.

    Where it ended is asked only for a page that it could not fill.
    """
    return f"""
WITH scanned AS NOT MATERIALIZED (
    SELECT epoch, seq, ts_ms, type, uid, tier, op_id, economy, terms FROM events
    WHERE partition = $1 AND {whose} AND ($3::bigint IS NULL OR (epoch, seq) < ($3, $4))
    ORDER BY epoch DESC, seq DESC LIMIT {SCANNED_MAX}
), page AS MATERIALIZED (
    SELECT * FROM scanned WHERE ($5::text IS NULL OR type = $5) AND ($6::bigint IS NULL OR ts_ms >= $6)
    ORDER BY epoch DESC, seq DESC LIMIT $7
)
SELECT {AS_OF}, CASE WHEN (SELECT count(*) FROM page) < $7 THEN
    (SELECT ARRAY[epoch, seq, ts_ms] FROM scanned ORDER BY epoch DESC, seq DESC OFFSET {SCANNED_MAX - 1}) END AS ended,
  page.*, delta_coin, delta_gem, result_meta
FROM (VALUES (1)) AS always_one
LEFT JOIN page ON true
LEFT JOIN game_history AS h ON h.partition = $1 AND h.epoch = page.epoch AND h.seq = page.seq
ORDER BY page.epoch DESC, page.seq DESC
"""


_OF_ALL: Final = _page("$2::bigint IS NULL")
_OF_PLAYER: Final = _page("uid = $2")


async def events(sources: Sources, _caller: Caller, params: EventsQuery) -> EventsReply:
    """A page of the log. Raises CroupierError VALIDATION_ERROR and NOT_READY."""
    place, since = Place.parse(params.cursor), bounded_since(params.since)
    since_ms = None if since is None else int(since.timestamp() * 1000)
    partition = (params.user_id or 0) % PARTITIONS
    with asking_postgres():
        rows = await sources.pool.fetch(
            _OF_ALL if params.user_id is None else _OF_PLAYER,
            partition, params.user_id, place and place.epoch, place and place.seq, params.type, since_ms,
            params.limit + 1,
            timeout=QUERY_TIMEOUT_S,
        )  # fmt: skip
    found = [row for row in rows if row["epoch"] is not None]
    return EventsReply(
        None,
        [_item(partition, row) for row in found[: params.limit]],
        _next_cursor(found, params.limit, rows[0]["ended"], since_ms),
        utc(rows[0]["as_of_ms"]),
    )


def _next_cursor(
    found: list[asyncpg.Record], limit: int, ended: list[int] | None, since_ms: int | None
) -> str | None:
    """Where the next page begins; `ended` are epoch, seq and time of the last event that was looked at."""
    if len(found) > limit:
        return Place(found[limit - 1]["epoch"], found[limit - 1]["seq"], 0).text()
    if ended is None or (since_ms is not None and ended[2] < since_ms):
        return None
    return Place(ended[0], ended[1], 0).text()


def _item(partition: int, row: asyncpg.Record) -> EventItem:
    meta = row["result_meta"]
    return EventItem(
        event_id=str(EventId(partition, row["epoch"], row["seq"])),
        event_type=row["type"],
        player_id=None if row["uid"] == SYSTEM else row["uid"],
        tier=row["tier"],
        created_at=utc(row["ts_ms"]),
        op_id=row["op_id"].hex(),
        economy=row["economy"].hex(),
        delta_coin=row["delta_coin"],
        delta_gem=row["delta_gem"],
        result=_of_terms(row["type"], row["terms"]) if meta is None else msgspec.json.decode(meta),
    )


def _of_terms(event_type: str, terms: bytes) -> dict[str, object] | None:
    """What was asked for, of the events whose command says all that they did."""
    names = _TERMS.get(event_type)
    if names is None:
        return None
    values: list[Any] = msgspec.msgpack.decode(terms)
    return dict(zip(names, values, strict=False))


_TERMS: Final = {
    "actions.recorded": ("action_type", "action_data"),
    "pool.added": ("banner", "rarity", "amount", "reason"),
    "rewards.granted": ("player_id", "reward_type", "amount", "source_description", "granted_by", "key"),
}

EVENTS = Query(
    name="admin.events",
    path="/api/admin/events",
    summary="The event log, newest first: of all, of one player, of one type",
    params=EventsQuery,
    reply=EventsReply,
    answer=events,
    access="admin",
)
