"""The tables of docs/performance.md: which benchmarks and figures each has, and the goals that stand beside them.

A block is what stands between `<!-- name:begin -->` and `<!-- name:end -->`; all else on the page is written by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal


@dataclass(frozen=True)
class Goal:
    """What a figure should be, at the least or at the most."""

    kind: Literal["least", "most"]
    value: float

    def is_met(self, value: float) -> bool:
        return value >= self.value if self.kind == "least" else value <= self.value

    def __str__(self) -> str:
        return f"goal {'>=' if self.kind == 'least' else '<='} {self.value:g}"


def least(value: float) -> Goal:
    return Goal("least", value)


def most(value: float) -> Goal:
    return Goal("most", value)


@dataclass(frozen=True)
class Block:
    """A table: of a test's benchmarks, one a row, these figures. `what` heads the first column.

    `goals` are by label and figure.
    """

    name: str
    test: str
    what: str
    figures: Sequence[str]
    goals: Mapping[tuple[str, str], Goal] = field(default_factory=dict)


_PEERS: Final = (
    "per_s", "our_per_s", "times_slower_than_ours", "times_our_cpu", "errors", "retries_per_pull", "draws_repeated",
    "oversold",
)  # fmt: skip

BLOCKS: Final = (
    Block(
        "scripts", "test_script_beside_the_floor", "command", ("calls_per_s", "us_per_call", "of_floor"),
        {("gacha.pull", "of_floor"): least(0.42), ("gacha.pull of ten", "of_floor"): least(0.22)},
    ),
    Block(
        "pull-parts", "test_part_of_the_pull", "pull",
        ("us_per_call", "of_floor", "cpu_us_per_call", "cpu_us_more", "of_plain_pull"),
        {
            ("plain pull", "of_floor"): least(0.42),
            ("with idempotency key", "of_floor"): least(0.35),
            ("ten-pull", "of_floor"): least(0.22),
        },
    ),
    Block(
        "players", "test_many_players_beside_few", "",
        (
            "players", "us_per_call", "us_per_call_at_1_thousand", "time_of_1_thousand", "bytes_per_player",
            "bytes_of_records",
        ),
        {("", "time_of_1_thousand"): most(1.15), ("", "bytes_per_player"): most(500)},
    ),
    Block(
        "transport", "test_callers", "callers, client",
        ("calls_per_s", "cpu_us_per_call", "ours_times", "cpu_times_ours"),
        {(f"64, {client}", "ours_times"): least(3) for client in ("redis-py", "coredis")}
        | {(f"64, {client}", "cpu_times_ours"): least(8) for client in ("redis-py", "coredis")},
    ),
    Block(
        "transport-one-core", "test_1_caller_on_the_servers_core", "client",
        ("calls_per_s", "cpu_us_per_call", "ours_times", "cpu_times_ours"),
        {(client, "ours_times"): least(3) for client in ("redis-py", "coredis")},
    ),
    Block(
        "codecs", "test_codec", "message, codec",
        ("bytes", "encode_us", "decode_us", "times_json_encode", "times_json_decode"),
    ),
    Block(
        "http", "test_gacha_pull_beside_a_bare_route", "",
        (
            "reference_per_s", "per_s", "of_reference", "cpu_us_per_request", "reference_cpu_us_per_request",
            "of_reference_by_cpu",
        ),
        {("", "of_reference"): least(0.52)},
    ),
    Block(
        "http-workers", "test_two_workers_beside_one", "", ("one_worker_per_s", "per_s", "of_one_worker"),
        {("", "of_one_worker"): least(1.2)},
    ),
    Block(
        "http-latency", "test_latency_at_half_of_peak", "",
        ("peak_per_s", "per_s", "p50_ms", "p99_ms", "p99_9_ms", "p99_of_p50"), {("", "p99_of_p50"): most(5)},
    ),
    Block(
        "websocket", "test_pulls_over_websockets", "commands",
        ("per_s", "http_per_s", "of_http", "script_per_s", "of_script", "cpu_us_per_pull"),
        {
            ("1 a frame, msgpack", "of_http"): least(1.3),
            ("8 a frame, msgpack", "of_http"): least(3),
            ("32 a frame, msgpack", "of_script"): least(0.7),
        },
    ),
    Block(
        "memory", "test_memory_of_a_worker", "",
        ("requests", "mib_after_a_tenth", "mib_at_the_end", "bytes_per_request"),
        {("", "bytes_per_request"): most(1)},
    ),
    Block(
        "storage", "test_storage_of_an_event", "",
        ("redis_bytes", "postgres_bytes", "postgres_bytes_of_log", "postgres_wal_bytes"),
    ),
    Block("push-latency", "test_fan_out_latency", "", ("pushes", "p50_ms", "p99_ms")),
    Block("fan-out", "test_fan_out", "watched by", ("cpu_us_per_event",)),
    Block(
        "idle-sockets", "test_memory_of_idle_sockets", "",
        ("sockets", "rss_kib_per_socket", "cpu_percent_idle", "cpu_us_to_open"),
    ),
    Block(
        "sync", "test_backlog_beside_a_bare_copy", "", ("sync_events_per_s", "copy_events_per_s", "of_copy"),
        {("", "of_copy"): least(0.5)},
    ),
    Block(
        "sync-ingest", "test_backlog_beside_one_worker", "", ("ingest_per_s", "drain_per_s", "of_ingest"),
        {("", "of_ingest"): least(2)},
    ),
    Block("strict", "test_strict_beside_fast", "", ("fast_per_s", "strict_per_s", "of_fast")),
    Block(
        "strict-http", "test_strict_beside_fast_over_http", "", ("fast_per_s", "strict_per_s", "of_fast"),
        {("", "of_fast"): least(0.5)},
    ),
    Block("export-kafka", "test_kafka_beside_one_worker", "", ("ingest_per_s", "export_per_s", "of_ingest")),
    Block(
        "export-clickhouse", "test_backlog_to_clickhouse_beside_one_worker", "way",
        ("ingest_per_s", "kafka_per_s", "clickhouse_per_s", "of_ingest"),
    ),
    Block("restore", "test_restore", "", ("keys", "bytes", "seconds")),
    Block("verify", "test_verify", "", ("events", "outcomes", "seconds", "verified_per_s")),
    Block(
        "peers-many", "test_pull_of_many_players_beside_ours", "many players",
        _PEERS,
        {("Postgres, row locks", "times_slower_than_ours"): least(8)},
    ),
    Block(
        "peers-hot", "test_pull_of_one_hot_player_beside_ours", "one hot player",
        _PEERS,
        {("Postgres, row locks", "times_slower_than_ours"): least(50)},
    ),
    Block(
        "hot-player", "test_our_pull_of_one_hot_player_beside_many", "", ("many_per_s", "per_s", "of_many"),
        {("", "of_many"): least(0.8)},
    ),
    Block(
        "rate-limits", "test_decision_beside_ours", "limiter",
        ("per_s", "our_per_s", "times_slower_than_ours", "times_our_server_cpu", "server_us_per_decision"),
    ),
    Block(
        "rate-limit-exactness", "test_exactness_and_memory", "limiter",
        ("passed_of_700", "most_in_any_second_of_300", "passed_of_300_after_a_free_second", "bytes_per_player"),
    ),
)  # fmt: skip
