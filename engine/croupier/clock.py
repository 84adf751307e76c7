"""Times as the API writes them."""

import datetime
from functools import lru_cache

_LAST_MS = 253_402_300_799_000


@lru_cache(maxsize=256)  # an event's time stands in several rows, and many events share theirs
def utc(ms: int) -> datetime.datetime:
    """A Unix time in ms as a UTC datetime, which JSON shows in RFC 3339. Later than the year 9999 is its end."""
    return datetime.datetime.fromtimestamp(min(ms, _LAST_MS) / 1000, datetime.UTC)
