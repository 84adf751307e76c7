"""All metrics of the HTTP server: their names, and how they are collected over the workers."""

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from croupier.room import Room
from croupier.sinks import SinkProgress
from croupier.transport import Transport
from croupier_schemas.economy import TIERS, Tier

MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where this is set before the module is imported, all workers keep their metrics in that directory."""

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

UNKNOWN_OPERATION: Final = "unknown"
"""The label of all requests that no operation takes, so that their paths do not become labels."""

SECONDS_BOUNDS: Final = tuple(0.0005 * 2**step for step in range(14))
"""Upper bounds of the buckets of the durations of requests and commands, in seconds."""

HTTP_REQUESTS: Final = Counter("http_requests", "Requests answered.", ["operation", "status"])
HTTP_SECONDS: Final = Histogram(
    "http_request_duration_seconds",
    "Time from a request's headers to its reply.",
    ["operation"],
    buckets=SECONDS_BOUNDS,
)
HTTP_IN_FLIGHT: Final = Gauge(
    "http_requests_in_flight", "Requests being answered.", multiprocess_mode="livesum"
)
COMMANDS: Final = Counter(
    "game_commands", "Commands given to the engine, by what came of them.", ["command", "outcome"]
)
RATE_LIMIT_HITS: Final = Counter(
    "game_rate_limit_hits", "Requests refused by a rate limit.", ["endpoint", "user_tier"]
)
REWARD_REPEATS: Final = Counter(
    "game_reward_idem_reject", "Rewards asked for under a key that had been granted before."
)
_REPEATS: Final[Mapping[str, Counter]] = {"rewards.distribute": REWARD_REPEATS}
"""Commands whose repeats have a counter of their own."""
REDIS_IN_FLIGHT: Final = Gauge(
    "redis_in_flight", "Calls that wait for Redis to answer.", multiprocess_mode="livesum"
)
REDIS_ROUND_TRIP: Final = Histogram(
    "redis_round_trip_seconds",
    "Time from a call to Redis to its reply, of one call per second and worker.",
    buckets=SECONDS_BOUNDS,
)
REDIS_RECONNECTS: Final = Counter("redis_reconnects", "Connections to Redis made again after a loss.")
REDIS_UNKNOWN: Final = Counter("redis_unknown_outcomes", "Calls to Redis whose outcome is unknown.")
REDIS_BREAKER: Final = Gauge(
    "redis_circuit_breaker_state",
    "0: calls go to Redis, 1: a probe is under way, 2: calls are refused at once; of several workers the worst.",
    multiprocess_mode="livemax",
)
REDIS_BREAKER_OPENINGS: Final = Counter(
    "redis_circuit_breaker_openings", "How often calls to Redis began to be refused at once."
)

SOCKETS: Final = Gauge(
    "websocket_connections", "WebSockets that are open.", ["kind"], multiprocess_mode="livesum"
)
SOCKET_FRAMES: Final = Counter(
    "websocket_frames", "Frames with data, by where they went.", ["kind", "direction"]
)
SOCKET_CLOSES: Final = Counter("websocket_closes", "WebSockets that ended, by close code.", ["kind", "code"])
SOCKET_COMMAND_SECONDS: Final = Histogram(
    "websocket_command_duration_seconds",
    "Time from a frame to the reply to a command in it.",
    ["command"],
    buckets=SECONDS_BOUNDS,
)
PUSHES_DROPPED: Final = Counter(
    "websocket_pushes_dropped", "Pushes left out because the client does not read; the newest state follows."
)
SLOW_READERS: Final = Counter(
    "websocket_slow_readers_closed", "WebSockets closed because the client did not read for too long."
)
FANOUT_SECONDS: Final = Histogram(
    "websocket_fanout_seconds",
    "Time from an event to its push, by the clock of Redis.",
    buckets=tuple(0.001 * 2**step for step in range(14)),
)

_STATUS_LABELS: Final = {status.value: str(status.value) for status in HTTPStatus}

POOL_REMAINING: Final = "game_gacha_pool_remaining"
DAILY_REMAINING: Final = "game_gacha_daily_remaining"
HEALS: Final = "sync_heals"
OUTBOX_LENGTH: Final = "outbox_length"
LAG_EVENTS: Final = "sync_lag_events"
LAG_SECONDS: Final = "sync_lag_seconds"
DEAD_LETTERS: Final = "sync_dead_letters"
MEMORY_RATIO: Final = "redis_memory_used_ratio"
ROOM_LEFT: Final = "room_for_commands"


class Tally:
    """A counter with its last label left open: counted here, and carried over to the counter now and then.

    Where the metrics of several workers are kept in files, that saves a write to a file per request.
    """

    def __init__(self, counter: Counter, label: str) -> None:
        self._counter = counter
        self._label = label
        self._counts: dict[str, int] = {}

    def count(self, last_label: str, times: int = 1) -> None:
        """Count one, or so many."""
        self._counts[last_label] = self._counts.get(last_label, 0) + times

    def carry_over(self) -> None:
        """Add what was counted since to the counter."""
        counts, self._counts = self._counts, {}
        for last_label, count in counts.items():
            self._counter.labels(self._label, last_label).inc(count)


class CommandTally(Tally):
    """Counts what comes of a command."""

    def __init__(self, command: str) -> None:
        super().__init__(COMMANDS, command)
        self._repeats = _REPEATS.get(command)

    def replayed(self) -> None:
        """Count one that repeated the first reply."""
        self.count("replayed")
        if self._repeats is not None:
            self._repeats.inc()


class SocketTallies:
    """Counts the frames of one kind of socket, and their ends."""

    _CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1014), 4401, 4403, 4429})

    def __init__(self, kind: str) -> None:
        self.frames = Tally(SOCKET_FRAMES, kind)
        self.closes = Tally(SOCKET_CLOSES, kind)

    def closed(self, code: int) -> None:
        """Count an end; `code` 0 is one without a close frame."""
        # Clients may send thousands of codes, which are not to become labels.
        self.closes.count(str(code) if code in self._CODES else "other" if code else "1006")


class SecondsTally:
    """Durations for one label of a histogram with `SECONDS_BOUNDS`, counted here and carried over now and then.

    Observing each would cost 5 us where the metrics of several workers are kept in files, a tenth of a command.
    """

    def __init__(self, histogram: Histogram, label: str) -> None:
        self._histogram = histogram.labels(label)
        self._counts = [0] * (len(SECONDS_BOUNDS) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one that took so long."""
        self._counts[bisect_left(SECONDS_BOUNDS, seconds)] += 1
        self._sum_s += seconds

    def carry_over(self) -> None:
        """Add what was observed since to the histogram. It has no public method for several at once."""
        if not any(self._counts):
            return
        for bucket, count in zip(self._histogram._buckets, self._counts, strict=True):
            if count:
                bucket.inc(count)
        self._histogram._sum.inc(self._sum_s)
        self._counts = [0] * len(self._counts)
        self._sum_s = 0.0


class OperationMetrics:
    """The metrics of one operation, looked up once instead of at every request."""

    def __init__(self, operation: str) -> None:
        self.replies = Tally(HTTP_REQUESTS, operation)
        self.seconds = SecondsTally(HTTP_SECONDS, operation)

    def answered(self, status: int, seconds: float) -> None:
        """Count a reply."""
        self.replies.count(_STATUS_LABELS[status])
        self.seconds.observe(seconds)


class Sampler:
    """Brings the metrics up to date with what is counted elsewhere."""

    def __init__(self, transport: Transport, requests_in_flight: Callable[[], int]) -> None:
        self.tallies: list[Tally | SecondsTally] = []
        self.before: list[Callable[[], None]] = []
        """What sets further gauges."""
        self._transport = transport
        self._requests_in_flight = requests_in_flight
        self._reconnects = 0
        self._unknown_outcomes = 0
        self._openings = 0

    def sample(self) -> None:
        """To be called every second or so, before metrics are shown, and at the end."""
        for set_gauges in self.before:
            set_gauges()
        for tally in self.tallies:
            tally.carry_over()
        transport = self._transport
        HTTP_IN_FLIGHT.set(self._requests_in_flight())
        REDIS_IN_FLIGHT.set(transport.in_flight)
        REDIS_RECONNECTS.inc(transport.reconnects - self._reconnects)
        REDIS_UNKNOWN.inc(transport.unknown_outcomes - self._unknown_outcomes)
        self._reconnects, self._unknown_outcomes = transport.reconnects, transport.unknown_outcomes
        REDIS_BREAKER.set(transport.breaker.state)
        REDIS_BREAKER_OPENINGS.inc(transport.breaker.openings - self._openings)
        self._openings = transport.breaker.openings


class StateGauges(Collector):
    """Gauges that are read from the state of the game when they are asked for, and not kept by any worker."""

    def __init__(
        self,
        pools: Mapping[str, Mapping[str, int]] | None,
        daily: Mapping[Tier, int] | None,
        heals: Mapping[str, int] | None,
        sinks: Sequence[SinkProgress],
        room: Room,
        dead_letters: int | None = None,
    ) -> None:
        """`pools` is remaining stock by banner and rarity, `daily` remaining pulls by tier, `heals` counts by cause.

        None: not to be had now. `sinks` are those beyond Postgres that are on, as far as they can be asked for;
        `dead_letters` are those of Postgres.
        """
        self._pools = pools
        self._daily = daily
        self._heals = heals
        self._sinks = sinks
        self._room = room
        self._dead_letters = dead_letters

    def collect(self) -> Iterable[Metric]:
        if self._pools is not None:
            gauge = GaugeMetricFamily(
                POOL_REMAINING, "Remaining stock of limited rarities.", labels=["banner", "rarity"]
            )
            for banner, rarities in self._pools.items():
                for rarity, remaining in rarities.items():
                    gauge.add_metric([banner, rarity], remaining)
            yield gauge
        if self._daily is not None:
            gauge = GaugeMetricFamily(
                DAILY_REMAINING, "Pulls left to the players who pulled today.", labels=["user_tier"]
            )
            for tier in TIERS:
                gauge.add_metric([tier], self._daily.get(tier, 0))
            yield gauge
        if self._heals is not None:
            counter = CounterMetricFamily(
                HEALS, "Times that Redis was made from Postgres again.", labels=["cause"]
            )
            for cause, count in self._heals.items():
                counter.add_metric([cause], count)
            yield counter
        yield from self._of_room()

    def _of_room(self) -> Iterable[Metric]:
        measured = self._room.measured
        yield GaugeMetricFamily(OUTBOX_LENGTH, "Events in the outbox.", measured.outbox)
        events = GaugeMetricFamily(LAG_EVENTS, "Events that a sink has not taken yet.", labels=["sink"])
        seconds = GaugeMetricFamily(
            LAG_SECONDS, "Age of the oldest event that a sink has not taken yet.", labels=["sink"]
        )
        events.add_metric(["postgres"], measured.behind)
        seconds.add_metric(["postgres"], measured.behind_s)
        for sink in self._sinks:
            events.add_metric([sink.sink], sink.lag_events)
            seconds.add_metric([sink.sink], sink.lag_seconds)
        yield events
        yield seconds
        yield self._letters()
        yield GaugeMetricFamily(
            MEMORY_RATIO, "Redis' used memory / maxmemory.", measured.memory_percent / 100
        )
        yield GaugeMetricFamily(
            ROOM_LEFT, "0 while commands that begin something are refused.", int(not self._room.why_full)
        )

    def _letters(self) -> Metric:
        gauge = GaugeMetricFamily(
            DEAD_LETTERS, "What a sink could not take and has put aside.", labels=["sink"]
        )
        if self._dead_letters is not None:
            gauge.add_metric(["postgres"], self._dead_letters)
        for sink in self._sinks:
            gauge.add_metric([sink.sink], sink.dead_letters)
        return gauge


def exposition(*states: Collector) -> bytes:
    """All metrics in Prometheus' text format; `states` are gauges that no worker keeps."""
    of_state = CollectorRegistry()
    for state in states:
        of_state.register(state)
    return generate_latest(_of_all_workers()) + generate_latest(of_state)


def families() -> Iterable[Metric]:
    """All metrics that workers count, of all of them; others' may be a second old."""
    return _of_all_workers().collect()


def _of_all_workers() -> CollectorRegistry:
    if MULTIPROCESS_VARIABLE not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
