"""What a query is: one declaration, from which route and OpenAPI entry come. Queries change nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import GenericAlias, UnionType
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import msgspec

from croupier.command import Caller
from croupier.errors import CroupierError

if TYPE_CHECKING:
    from asyncpg import Pool

    from croupier.clickhouse import ClickHouse
    from croupier.engine import Engine

Params = TypeVar("Params", bound=msgspec.Struct)
Reply = TypeVar("Reply")


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query without parameters."""


@dataclass(frozen=True)
class Sources:
    """Where queries read: live state through the engine, history from Postgres, analytics from ClickHouse.

    A server may be without the last two.
    """

    engine: "Engine"
    postgres: "Pool | None"
    clickhouse: "ClickHouse | None" = None

    @property
    def pool(self) -> "Pool":
        """Postgres. Raises CroupierError NOT_READY on a server without `DATABASE_URL`."""
        if self.postgres is None:
            raise CroupierError("NOT_READY", "this server runs without DATABASE_URL, so it keeps no history")
        return self.postgres

    @property
    def olap(self) -> "ClickHouse":
        """ClickHouse. Raises CroupierError NOT_READY on a server without `CLICKHOUSE_URL`."""
        if self.clickhouse is None:
            raise CroupierError(
                "NOT_READY",
                "this server has no analytics: set CLICKHOUSE_URL, and CLICKHOUSE_ENABLED not to false",
            )
        return self.clickhouse


@dataclass(frozen=True, kw_only=True)
class Query(Generic[Params, Reply]):
    """One question that a client can ask. `params` come from the query string and from `{names}` in the path.

    `reply` is a struct, a list of structs, or a union of tagged ones. `without_redis` is set where Postgres can answer
    while Redis is away, in most cases at least.
    """

    name: str
    path: str
    summary: str
    params: type[Params]
    reply: type[Reply] | UnionType | GenericAlias
    answer: Callable[[Sources, Caller, Params], Awaitable[Reply]]
    access: Literal["player", "admin"] = "player"
    errors: tuple[str, ...] = ()
    without_redis: bool = False
