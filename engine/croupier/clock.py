"""Times as the API writes them."""

import datetime


def utc(ms: int) -> datetime.datetime:
    """A Unix time in ms as a UTC datetime, which JSON shows in RFC 3339."""
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)
