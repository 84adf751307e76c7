"""The plots of docs/performance.md, as SVG. The same figures make the same bytes."""

import io
import re
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from bench.reporting.blocks import BLOCKS, Goal
from bench.reporting.saved import Measured, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "croupier",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}
_NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_METADATA: Final = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_BAR, _GOAL = "#33658a", "#c1440e"
_WIDTH_IN: Final = 7.2
_ROW_IN: Final = 0.3
_FORMS: Final = ("o-", "s-", "^-", "D--")


def plots(run: Run) -> dict[str, str]:
    """The plots for which a run has all figures, by the names of their files."""
    return {name: draw(run) for name, (draw, tests) in _PLOTS.items() if all(run.of(test) for test in tests)}


def _scripts(run: Run) -> str:
    """Each command and each variant of the pull beside the floor, with the goals."""
    rows = [
        (each.label, each.figures["of_floor"], _goal(each, "of_floor"))
        for test in ("test_part_of_the_pull", "test_script_beside_the_floor")
        for each in run.of(test)
    ]
    return _bars(rows, "throughput beside the floor script", "{:.2f}")


def _http(run: Run) -> str:
    """What workers do over HTTP and over WebSockets, with what bounds them."""
    (beside_bare,) = run.of("test_gacha_pull_beside_a_bare_route")
    (two_workers,) = run.of("test_two_workers_beside_one")
    sockets = run.of("test_pulls_over_websockets")
    alone = statistics.median(each.figures["script_per_s"] for each in sockets)
    rows = [
        ("bare route, HTTP", beside_bare.figures["reference_per_s"], None),
        ("HTTP", beside_bare.figures["per_s"], None),
        ("HTTP, two workers", two_workers.figures["per_s"], None),
        *((f"WebSocket, {each.label}", each.figures["per_s"], None) for each in sockets),
        ("the script alone, sharing the cores", alone, None),
    ]
    return _bars(rows, "pulls per second", "{:,.0f}")


def _bars(rows: Sequence[tuple[str, float, Goal | None]], title: str, form: str) -> str:
    def bars(axes: "Axes") -> None:
        places = range(len(rows))
        drawn = axes.barh(places, [value for _, value, _ in rows], height=0.6, color=_BAR)
        axes.bar_label(drawn, labels=[form.format(value) for _, value, _ in rows], padding=4)
        for place, (_, _, goal) in enumerate(rows):
            if goal is not None:
                axes.plot([goal.value] * 2, [place - 0.4, place + 0.4], color=_GOAL, linewidth=2)
        if any(goal for _, _, goal in rows):
            axes.plot([], [], color=_GOAL, linewidth=2, label="goal")
            axes.legend(loc="lower right")
        axes.set_yticks(places, [label for label, _, _ in rows])
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.grid(axis="y", visible=False)
        axes.set_title(title, loc="left", fontsize=10)

    return _draw(0.8 + _ROW_IN * len(rows), bars)


def _transport(run: Run) -> str:
    """Calls per second by callers at once, a line for each client."""
    found = run.of("test_callers")
    clients: dict[str, list[Measured]] = {}
    for each in found:
        clients.setdefault(each.label.partition(", ")[2], []).append(each)

    def lines(axes: "Axes") -> None:
        from matplotlib.ticker import EngFormatter

        for form, (client, measured) in zip(_FORMS, clients.items(), strict=False):
            callers = [each.figures["callers"] for each in measured]
            axes.plot(
                callers, [each.figures["calls_per_s"] for each in measured], form, label=client, markersize=4
            )
        axes.set_xscale("log", base=2)
        callers = sorted({each.figures["callers"] for each in found})
        axes.set_xticks(callers, [str(each) for each in callers])
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlabel("callers at once, or calls in the pipeline")
        axes.set_title("calls per second of one client", loc="left", fontsize=10)
        axes.legend()

    return _draw(3.2, lines)


def _goal(row: Measured, figure: str) -> Goal | None:
    return next((block.goals.get((row.label, figure)) for block in BLOCKS if block.test == row.test), None)


def _draw(height_in: float, drawing: "Callable[[Axes], None]") -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        drawing(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    return "\n".join(line.rstrip() for line in _METADATA.sub("", buffer.getvalue()).splitlines()) + "\n"


_PLOTS: Final[dict[str, tuple[Callable[[Run], str], tuple[str, ...]]]] = {
    "scripts.svg": (_scripts, ("test_part_of_the_pull", "test_script_beside_the_floor")),
    "transport.svg": (_transport, ("test_callers",)),
    "http.svg": (
        _http,
        ("test_gacha_pull_beside_a_bare_route", "test_two_workers_beside_one", "test_pulls_over_websockets"),
    ),
}
