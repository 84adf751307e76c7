"""Parameters of queries, where `croupier_schemas` has no struct for them."""

import msgspec


class NoParameters(msgspec.Struct, frozen=True):
    """A query without parameters."""


class OfBanner(msgspec.Struct, frozen=True):
    """A banner, and optionally a past version of the economy (64 hexadecimal digits); None: the one in force."""

    banner: str = "standard"
    economy: str | None = None


class OfVersion(msgspec.Struct, frozen=True):
    """Optionally a past version of the economy (64 hexadecimal digits); None: the one in force."""

    economy: str | None = None


class OfEvent(msgspec.Struct, frozen=True):
    """An event, by the `event_id` of its receipt."""

    event_id: str
