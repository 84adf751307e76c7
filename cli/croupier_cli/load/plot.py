"""Drawings of a load: latencies by percentile, and how rate and latency went over time."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from croupier_cli.errors import CannotRun
from croupier_cli.load.histogram import Histogram
from croupier_cli.load.result import Result
from croupier_cli.load.text import title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "croupier",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "legend.frameon": False,
}
_WIDTH_IN, _HEIGHT_IN = 7.2, 8.0
_TICKS: Final = {2: "50 %", 10: "90 %", 100: "99 %", 1_000: "99.9 %", 10_000: "99.99 %", 100_000: "99.999 %"}


def require_matplotlib() -> None:
    """Raise CannotRun where nothing can be drawn."""
    if importlib.util.find_spec("matplotlib") is None:
        raise CannotRun(
            "--plot needs matplotlib: pip install 'croupier[analytics]'; --histogram does without"
        )


def plot(result: Result, histogram: Histogram, file: Path) -> None:
    """Write the drawings as SVG. Raises OSError."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN), layout="constrained")
        percentiles, rate, latency = figure.subplots(3, 1, height_ratios=(3, 2, 2))
        figure.suptitle(title(result), fontsize=9)
        _percentiles(percentiles, histogram)
        _rate(rate, result)
        _latency(latency, result)
        figure.savefig(file, format="svg", metadata={"Date": None})


def _percentiles(axes: "Axes", histogram: Histogram) -> None:
    """Latency over 1 / (1 - percentile), so that each nine takes as much room."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    total, so_far = histogram.total, 0
    parts, ms = [1.0], [0.0]
    for us, count in histogram.recorded():
        parts.append(total / (total - so_far))
        ms.append(us / 1000)
        so_far += count
    if total:
        parts.append(float(max(total, 2)))
        ms.append(ms[-1])
    axes.step(parts, ms, where="post", color="C0")
    axes.set_xscale("log")
    axes.set_xlim(1, max(100, total))
    axes.set_ylim(bottom=0)
    ticks = {part: name for part, name in _TICKS.items() if part <= max(100, total)}
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.xaxis.set_major_formatter(FixedFormatter(list(ticks.values())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_title("Latency by percentile, ms", loc="left", fontsize=10)


def _rate(axes: "Axes", result: Result) -> None:
    axes.plot([each.ends_s for each in result.over_time], [each.per_s for each in result.over_time], ".-")
    if result.rate is not None:
        axes.axhline(result.rate, color="C7", linewidth=0.8, linestyle="--", label="asked for")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1))
    axes.margins(y=0.1)
    axes.set_ylim(bottom=0)
    axes.set_title("Answers per second", loc="left", fontsize=10)


def _latency(axes: "Axes", result: Result) -> None:
    at = [each.ends_s for each in result.over_time]
    axes.plot(at, [each.p50_ms for each in result.over_time], ".-", label="p50")
    axes.plot(at, [each.p99_ms for each in result.over_time], ".-", label="p99")
    axes.set_yscale("log")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    axes.set_xlabel("seconds")
    axes.set_title("Latency over time, ms", loc="left", fontsize=10)
