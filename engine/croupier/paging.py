"""Lists that Postgres answers, in pages: a `next_cursor` that says where the page before ended, a total, and `as_of`.

`as_of` is the time of the last event that Postgres holds of the partition, by the clock of the Redis server: whatever
happened up to then is in the page, wherever the sync daemon is. Nothing happening leaves it where it is.
"""

import base64
import binascii
import datetime
import struct
from typing import NamedTuple, Self

import asyncpg

from croupier.clock import utc
from croupier.errors import CroupierError
from croupier.postgres import asking_postgres
from croupier.query import Sources

QUERY_TIMEOUT_S = 5.0

# One statement a page, so that its items, their total and `as_of` are of one moment. It always has a row: a page
# without items is one row of which only the first two columns are filled.
AS_OF = """
coalesce(
    (SELECT ts_ms FROM partitions WHERE partition = $1),
    (SELECT (extract(epoch FROM created_at) * 1000)::bigint FROM installation)
) AS as_of_ms
"""


class Place(NamedTuple):
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


class Page(NamedTuple):
    """The rows of one page, and what is said of the whole list with them."""

    rows: list[asyncpg.Record]
    total: int
    next_cursor: str | None
    as_of: datetime.datetime


def require_one_way(offset: int, cursor: str | None) -> None:
    """Raise CroupierError VALIDATION_ERROR where a page is asked for by offset and by cursor at once."""
    if cursor is not None and offset:
        details = {"field": "offset", "allowed": "either offset or cursor", "received": offset}
        raise CroupierError("VALIDATION_ERROR", details=details)


async def read_page(sources: Sources, limit: int, statement: str, *arguments: object) -> Page:
    """Run a statement that asks for one row more than the page has, to see whether another page follows.

    Its rows have the columns `total`, `as_of_ms` (`AS_OF`), and `epoch`, `seq`, `line` of their place. Raises
    CroupierError NOT_READY.
    """
    with asking_postgres():
        rows = await sources.pool.fetch(statement, *arguments, timeout=QUERY_TIMEOUT_S)
    total, as_of = rows[0]["total"], utc(rows[0]["as_of_ms"])
    found = [row for row in rows if row["epoch"] is not None]
    more = len(found) > limit
    found = found[:limit]
    last = Place(found[-1]["epoch"], found[-1]["seq"], found[-1]["line"]) if more else None
    return Page(found, total, last and last.text(), as_of)
