"""The state of the servers for the console: the counters of all workers, what is ready, how far the sinks are.

It needs neither Redis nor Postgres to answer, since it is asked most when one of them is away.
"""

import asyncio
from collections.abc import Iterable
from importlib.metadata import version
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from croupier.clock import utc
from croupier.command import Caller
from croupier.query import NoParams, Query, Sources
from croupier.registry import COMMANDS
from croupier_http import metrics
from croupier_http.checks import ESSENTIAL, readiness
from croupier_http.console.sinks import sinks_now
from croupier_http.operations import operation_id
from croupier_schemas.admin import (
    BlockCounts,
    CommandCounts,
    OperationCounts,
    OperationsReply,
    RedisState,
    SinkNow,
    SocketCounts,
)

_OF_COMMANDS: Final = frozenset(operation_id(command.path) for command in COMMANDS)
_BREAKER: Final = ("closed", "probing", "open")

Labels = tuple[str, ...]


class Counted:
    """Samples of all workers, by the name of the sample."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._samples: dict[str, list[Sample]] = {}
        for family in families:
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(sample)

    def value(self, name: str) -> float:
        """Of what has no labels; 0 where nothing was counted yet."""
        return sum(sample.value for sample in self._samples.get(name, ()))

    def by(self, name: str, *labels: str) -> dict[Labels, float]:
        """Values by these labels, sorted."""
        values = {
            tuple(sample.labels[label] for label in labels): sample.value
            for sample in self._samples.get(name, ())
        }
        return dict(sorted(values.items()))


async def operations(sources: Sources, _caller: Caller, _params: NoParams) -> OperationsReply:
    """What the servers count and measure."""
    checks, others = await asyncio.gather(readiness(sources), sinks_now(sources))
    failed = {name for name, outcome in checks.items() if outcome != "ok"}
    # With many workers there is much to add up: in a thread, so that players do not wait for it.
    counted, room = await asyncio.to_thread(lambda: Counted(metrics.families())), sources.engine.room
    measured = room.measured
    bounds_s = [bound for bound in metrics.SECONDS_BOUNDS if bound != float("inf")]
    return OperationsReply(
        at=utc(sources.engine.now_ms()),
        version=version("croupier"),
        status="not_ready" if failed & ESSENTIAL else "degraded" if failed else "ready",
        checks=checks,
        why_full=room.why_full,
        http_in_flight=int(counted.value("http_requests_in_flight")),
        redis=RedisState(
            breaker=_BREAKER[int(counted.value("redis_circuit_breaker_state"))],
            breaker_openings=int(counted.value("redis_circuit_breaker_openings_total")),
            in_flight=int(counted.value("redis_in_flight")),
            reconnects=int(counted.value("redis_reconnects_total")),
            unknown_outcomes=int(counted.value("redis_unknown_outcomes_total")),
            memory_percent=measured.memory_percent,
        ),
        outbox_length=measured.outbox,
        sinks=[SinkNow("postgres", measured.behind, measured.behind_s), *others] if sources.postgres else [],
        bounds_s=bounds_s,
        operations=_operations(counted, bounds_s),
        commands=_commands(counted),
        blocks=[
            BlockCounts(endpoint, tier, int(blocked))
            for (endpoint, tier), blocked in counted.by(
                "game_rate_limit_hits_total", "endpoint", "user_tier"
            ).items()
        ],
        sockets=_sockets(counted),
    )


def _sockets(counted: Counted) -> SocketCounts:
    frames: dict[str, int] = {"in": 0, "out": 0}
    for (_, direction), count in counted.by("websocket_frames_total", "kind", "direction").items():
        frames[direction] += int(count)
    within = counted.by("websocket_fanout_seconds_bucket", "le")
    bounds = sorted(float(bound) for (bound,) in within if bound != "+Inf")
    return SocketCounts(
        open={kind: int(count) for (kind,), count in counted.by("websocket_connections", "kind").items()},
        frames_in=frames["in"],
        frames_out=frames["out"],
        pushes_dropped=int(counted.value("websocket_pushes_dropped_total")),
        slow_readers_closed=int(counted.value("websocket_slow_readers_closed_total")),
        fanout_buckets=[int(within[str(bound),]) for bound in bounds] + [int(within.get(("+Inf",), 0))],
        fanout_bounds_s=bounds,
    )


def _operations(counted: Counted, bounds_s: list[float]) -> list[OperationCounts]:
    statuses: dict[str, dict[str, int]] = {}
    for (operation, status), count in counted.by("http_requests_total", "operation", "status").items():
        statuses.setdefault(operation, {})[status] = int(count)
    within = counted.by("http_request_duration_seconds_bucket", "operation", "le")
    seconds = counted.by("http_request_duration_seconds_sum", "operation")
    bounds = [str(bound) for bound in bounds_s] + ["+Inf"]
    return [
        OperationCounts(
            operation,
            operation in _OF_COMMANDS,
            of_operation,
            [int(within.get((operation, bound), 0)) for bound in bounds],
            seconds.get((operation,), 0.0),
        )
        for operation, of_operation in statuses.items()
    ]


def _commands(counted: Counted) -> list[CommandCounts]:
    outcomes: dict[str, dict[str, int]] = {}
    for (command, outcome), count in counted.by("game_commands_total", "command", "outcome").items():
        outcomes.setdefault(command, {})[outcome] = int(count)
    return [CommandCounts(command, of_command) for command, of_command in outcomes.items()]


OPERATIONS: Final = Query(
    name="admin.operations",
    path="/api/admin/operations",
    summary="The servers now: what is ready, what was counted since they started, how far the sinks are",
    params=NoParams,
    reply=OperationsReply,
    answer=operations,
    access="admin",
)
