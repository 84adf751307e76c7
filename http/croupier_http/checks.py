"""What must hold of the servers behind this one: before it starts, and for it to be ready."""

import asyncio
from collections.abc import Awaitable
from importlib import resources
from typing import Final

import asyncpg
import structlog

from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.partition import PartitionError, read_head
from croupier.permissions import PermissionMissing, require_permissions
from croupier.postgres import is_away
from croupier.query import Sources
from croupier.transport import BreakerState, Transport, TransportError

log = structlog.get_logger(__name__)

_OLDEST: Final = {"redis": (7, 0), "valkey": (7, 2)}
"""The first versions that know `#!lua`, which checks memory and keys before a script starts."""

_CHECK_TIMEOUT_S: Final = 2.0

_IN_STEP: Final = "min_slaves_good_slaves"
_SET_MIN_REPLICAS: Final = (
    "Redis has a replica, and acknowledges what no replica has: set min-replicas-to-write to at least 1, and "
    "min-replicas-max-lag to the seconds that a failover may lose"
)


class CannotServe(Exception):
    """The server cannot run as asked; the message is one line that says why and what to do."""


class RedisUnsuitable(CannotServe):
    """This Redis must not be used."""


async def check_redis(transport: Transport) -> None:
    """Check version, permissions and eviction policy. Raises RedisUnsuitable, and TransportError."""
    server = transport.server
    if server is not None:
        numbers = tuple(int(part) for part in server.version.split(".")[:2] if part.isdigit())
        oldest = _OLDEST.get(server.name, _OLDEST["redis"])
        if numbers < oldest:
            wanted = " or ".join(f"{name} {first}.{second}" for name, (first, second) in _OLDEST.items())
            raise RedisUnsuitable(
                f"{server.name} {server.version} is too old: at least {wanted} is needed (REDIS_URL)"
            )
    try:
        await require_permissions(transport)
    except PermissionMissing as error:
        raise RedisUnsuitable(str(error)) from None
    info = await transport.call("INFO", "memory")
    assert isinstance(info, bytes)
    policy = dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line).get(
        "maxmemory_policy"
    )
    if policy != "noeviction":
        raise RedisUnsuitable(
            f"Redis would evict balances when its memory is full: its maxmemory-policy is {policy}, "
            "and must be noeviction (CONFIG SET maxmemory-policy noeviction)"
        )
    if _may_lose_on_failover(await _replication_facts(transport)):
        log.warning("a failover of Redis may lose any number of events", detail=_SET_MIN_REPLICAS)


async def _replication_facts(transport: Transport) -> dict[str, str]:
    info = await transport.call("INFO", "replication", timeout_s=_CHECK_TIMEOUT_S)
    assert isinstance(info, bytes)
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)


def _may_lose_on_failover(facts: dict[str, str]) -> bool:
    """Whether it has replicas, and acknowledges writes that none of them has, however long that lasts.

    A server that is told to wait for replicas, and how far they may lag, says how many are in step.
    """
    return int(facts["connected_slaves"]) > 0 and _IN_STEP not in facts


ESSENTIAL: Final = frozenset({"redis", "partition"})
"""What a pull needs. Without Postgres pulls go on; strict commands, history and ledger do not."""


async def readiness(sources: Sources) -> dict[str, str]:
    """The checks by name, each with `ok` or with what is wrong. A pull succeeds when those of `ESSENTIAL` are `ok`."""
    checks = {
        "redis": _redis(sources.engine),
        "partition": _partition(sources.engine),
        "room": _room(sources.engine),
        "replicas": _replicas(sources.engine),
    }
    if sources.postgres is not None:
        checks["postgres"] = _postgres(sources.postgres)
    results = await asyncio.gather(*map(_outcome, checks.values()))
    return dict(zip(checks, results, strict=True))


async def _outcome(check: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await check
    except TimeoutError:
        return f"no answer within {_CHECK_TIMEOUT_S:g} s"
    except CroupierError as error:
        return error.message
    except PartitionError as error:
        return str(error)
    except Exception as error:
        if not isinstance(error, TransportError) and not is_away(error):
            raise
        return "cannot be reached"  # where it is, and why, is not for strangers
    return "ok"


async def _redis(engine: Engine) -> None:
    if engine.transport.breaker.state is not BreakerState.CLOSED:
        raise CroupierError("NOT_READY", "cannot be reached: the circuit breaker is open")
    facts = await _replication_facts(engine.transport)
    if facts.get(_IN_STEP) == "0":
        raise CroupierError("NOT_READY", "refuses writes: no replica is in step (min-replicas-to-write)")


async def _partition(engine: Engine) -> None:
    head = await read_head(engine.transport, 0)
    if head is None or not head.fence or head.identity != str(engine.transport.identity):
        raise CroupierError("NOT_READY", "not open for this Redis: is `croupier sync` running?")
    await engine.views.in_force(0)


async def _replicas(engine: Engine) -> None:
    try:
        facts = await _replication_facts(engine.transport)
    except TransportError:
        return  # the check `redis` says so
    if _may_lose_on_failover(facts):
        raise CroupierError("NOT_READY", _SET_MIN_REPLICAS)


async def _room(engine: Engine) -> None:
    engine.room.require()


async def _postgres(pool: asyncpg.Pool) -> None:
    wanted = {file.name for file in resources.files("croupier_schemas").joinpath("sql").iterdir()}
    try:
        rows = await pool.fetch("SELECT name FROM schema_migrations")
    except asyncpg.UndefinedTableError:
        rows = []
    missing = {name for name in wanted if name.endswith(".sql")} - {row["name"] for row in rows}
    if missing:
        raise CroupierError("NOT_READY", f"{min(missing)} is not applied: run `croupier migrate`")
