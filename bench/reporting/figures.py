"""What the figures of benchmarks mean: how a table heads them, how they are written, and which way is better."""

from dataclasses import dataclass
from typing import Any, Final, Literal


@dataclass(frozen=True)
class Figure:
    """A figure as tables show it. `form` is a format, such as `{:,}`.

    `better` says which way a ratio within one run is better; empty for what belongs to the machine.
    """

    heading: str
    form: str = "{:,}"
    better: Literal["", "more", "less"] = ""


FIGURES: Final = {
    "bytes": Figure("bytes"),
    "bytes_of_records": Figure("bytes of its records alone"),
    "bytes_per_player": Figure("bytes per player", better="less"),
    "bytes_per_request": Figure("bytes it grew per request", "{:.2f}"),
    "callers": Figure("callers"),
    "calls_per_s": Figure("calls/s"),
    "clickhouse_per_s": Figure("into ClickHouse, events/s"),
    "copy_events_per_s": Figure("bare COPY, events/s"),
    "cpu_percent_idle": Figure("idle, % of a core"),
    "cpu_times_ours": Figure("its CPU per call over ours", "{:.1f}", "more"),
    "cpu_us_more": Figure("more than plain, us", "{:+.1f}"),
    "cpu_us_per_call": Figure("CPU per call, us", "{:.1f}"),
    "cpu_us_per_event": Figure("CPU per event, us", "{:.2f}"),
    "cpu_us_per_pull": Figure("CPU per pull, us", "{:.1f}"),
    "cpu_us_per_request": Figure("CPU per request, us", "{:.1f}"),
    "cpu_us_to_open": Figure("CPU to open one, us"),
    "decode_us": Figure("decode, us", "{:.2f}"),
    "drain_per_s": Figure("daemon, events/s"),
    "encode_us": Figure("encode, us", "{:.2f}"),
    "errors": Figure("errors"),
    "events": Figure("events"),
    "export_per_s": Figure("exported, events/s"),
    "fast_per_s": Figure("fast, pulls/s"),
    "http_cpu_us_per_pull": Figure("over HTTP, us", "{:.1f}"),
    "http_per_s": Figure("HTTP, pulls/s"),
    "ingest_per_s": Figure("one HTTP worker, pulls/s"),
    "kafka_per_s": Figure("into Kafka, events/s"),
    "keys": Figure("keys"),
    "many_per_s": Figure("many players, pulls/s"),
    "mib_after_a_tenth": Figure("MiB after a tenth"),
    "mib_at_the_end": Figure("MiB at the end"),
    "of_copy": Figure("of the COPY", "{:.2f}", "more"),
    "of_fast": Figure("of fast", "{:.2f}", "more"),
    "of_floor": Figure("of its floor", "{:.2f}", "more"),
    "of_http": Figure("of HTTP", "{:.1f}", "more"),
    "of_http_by_cpu": Figure("of HTTP, by CPU", "{:.1f}", "more"),
    "of_ingest": Figure("of one HTTP worker", "{:.2f}", "more"),
    "of_many": Figure("of many players", "{:.2f}", "more"),
    "of_one_worker": Figure("of one worker", "{:.2f}", "more"),
    "of_plain_pull": Figure("of the plain pull", "{:.2f}", "more"),
    "of_reference": Figure("of the bare route", "{:.2f}", "more"),
    "of_reference_by_cpu": Figure("the same by CPU", "{:.2f}", "more"),
    "of_script": Figure("of the script alone", "{:.2f}", "more"),
    "one_worker_per_s": Figure("one worker, pulls/s"),
    "our_per_s": Figure("ours, pulls/s"),
    "ours_times": Figure("ours over it", "{:.1f}", "more"),
    "outcomes": Figure("outcomes computed again"),
    "p50_ms": Figure("p50, ms", "{:.1f}"),
    "p99_9_ms": Figure("p99.9, ms", "{:.1f}"),
    "p99_ms": Figure("p99, ms", "{:.1f}"),
    "p99_of_p50": Figure("p99 of p50", "{:.1f}", "less"),
    "peak_per_s": Figure("peak, pulls/s"),
    "per_s": Figure("pulls/s"),
    "players": Figure("players"),
    "postgres_bytes": Figure("bytes in all tables of Postgres"),
    "postgres_bytes_of_log": Figure("of it in `events`"),
    "postgres_wal_bytes": Figure("bytes of Postgres' own log"),
    "pushes": Figure("pushes"),
    "redis_bytes": Figure("bytes in the outbox"),
    "reference_cpu_us_per_request": Figure("of the bare route, us", "{:.1f}"),
    "reference_per_s": Figure("bare route, requests/s"),
    "requests": Figure("requests"),
    "rss_kib_per_socket": Figure("memory of each, KiB", "{:.1f}"),
    "script_per_s": Figure("script alone, pulls/s"),
    "seconds": Figure("seconds", "{:.1f}"),
    "sockets": Figure("sockets"),
    "strict_per_s": Figure("strict, pulls/s"),
    "sync_events_per_s": Figure("daemon, events/s"),
    "time_of_1_thousand": Figure("time beside 1 thousand", "{:.2f}", "less"),
    "times_json_decode": Figure("decode, times as fast as json", "{:.1f}", "more"),
    "times_json_encode": Figure("encode, times as fast as json", "{:.1f}", "more"),
    "times_our_cpu": Figure("its CPU over ours", "{:.1f}", "more"),
    "times_our_server_cpu": Figure("its server CPU over ours", "{:.1f}", "more"),
    "times_slower_than_ours": Figure("ours over it", "{:.1f}", "more"),
    "us_per_call": Figure("us per call", "{:.1f}"),
    "us_per_call_at_1_thousand": Figure("at 1 thousand, us", "{:.1f}"),
    "verified_per_s": Figure("verified, events/s"),
}


def figure(name: str) -> Figure:
    """What is known of a figure; of others, no more than their name."""
    return FIGURES.get(name) or Figure(name.replace("_", " "))


def written(name: str, value: Any) -> str:
    """A value as tables show it."""
    return figure(name).form.format(value) if isinstance(value, int | float) else str(value)
