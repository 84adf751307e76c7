"""The result for people."""

from collections.abc import Sequence
from typing import Final

from croupier_cli.load.result import Figures, Result

_LATE_MS: Final = 10.0
_BUSY_SHARE: Final = 0.9
_MANY: Final = 0.01
_HEAD: Final = ("requests", "per s", "done", "limited", "refused", "errors")
_LATENCIES: Final = ("p50", "p90", "p95", "p99", "p99.9", "p99.99", "max")
_MS: Final = "latency, ms"
_CELL: Final = 11


def text(result: Result) -> str:
    """A table, and below it what was not done, by its code."""
    lines = [title(result), ""]
    rows = (
        {**result.scenarios, "total": result.total} if len(result.scenarios) > 1 else {"total": result.total}
    )
    width = max(len(_MS), *map(len, rows))
    lines.append(_row("", width, _HEAD))
    lines += [_row(name, width, _counts(figures)) for name, figures in rows.items()]
    lines += ["", _row(_MS, width, _LATENCIES)]
    lines += [_row(name, width, _times(figures)) for name, figures in rows.items()]
    if result.total.by_code or result.error_budget is not None:
        lines.append("")
    for outcome, codes in result.total.by_code.items():
        lines += [f"{outcome}: {', '.join(f'{count:,} {code}' for code, count in codes.items())}"]
    if result.error_budget is not None:
        verdict = "within" if result.within_budget else "beyond"
        lines.append(
            f"{100 * result.error_share:.4g} % errors, {verdict} the budget of {100 * result.error_budget:g} %"
        )
    return "\n".join(lines)


def warnings(result: Result) -> list[str]:
    """What to know before believing the figures."""
    said = []
    total, generator = result.total, result.generator
    if total.limited + total.refused > _MANY * total.requests:
        share = 100 * (total.limited + total.refused) / total.requests
        said.append(
            f"{share:.1f} % of the requests met a limit or a rule of the game; docs/load.md has an economy "
            "without limits"
        )
    if generator.cpu_share > _BUSY_SHARE:
        said.append(
            f"this generator used {100 * generator.cpu_share:.0f} % of a core: it may be what limits the rate"
        )
    if generator.late_ms_max > _LATE_MS:
        said.append(
            f"this generator was up to {generator.late_ms_max:.0f} ms late, which is in the latencies: it did not get "
            "the processor in time"
        )
    return said


def title(result: Result) -> str:
    """What was measured, in one line."""
    loop = "closed loop" if result.rate is None else f"open loop at {result.rate:,g}/s"
    frames = f" in frames of {result.commands_per_frame}" if result.commands_per_frame > 1 else ""
    over = "HTTP" if result.protocol == "http" else f"WebSocket{frames}"
    return (
        f"{loop}, {result.connections:,} at once over {over}, {result.players:,} players, "
        f"{result.seconds:.1f} s, {result.url}"
    )


def _counts(figures: Figures) -> list[str]:
    return [
        f"{figures.requests:,}", f"{figures.per_s:,.0f}", f"{figures.done:,}", f"{figures.limited:,}",
        f"{figures.refused:,}", f"{figures.errors:,}",
    ]  # fmt: skip


def _times(figures: Figures) -> list[str]:
    latency = figures.latency_ms
    times = (latency.p50, latency.p90, latency.p95, latency.p99, latency.p99_9, latency.p99_99, latency.max)
    return [f"{time:,.2f}" for time in times]


def _row(name: str, width: int, cells: Sequence[str]) -> str:
    return f"{name:{width}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)
