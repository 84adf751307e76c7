"""A dashboard as SVG: its panels in their places, with titles, units, legends and the colours of thresholds."""

import io
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.ops.dashboards.course import Course
from tests.ops.dashboards.prometheus import STEP_S
from tests.ops.dashboards.seen import Line, Seen
from tests.ops.dashboards.units import written
from tests.ops.queries import ROOT, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES: Final = ROOT / "docs" / "operating" / "dashboards"

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "croupier",
    "font.family": "sans-serif",
    "font.size": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "#8e8e8e",
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "path.simplify_threshold": 0.3,
}
_NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_METADATA: Final = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
_QUOTED: Final = re.compile(r'"[^"]*"')
_LONG_NUMBER: Final = re.compile(r"-?\d+\.\d{3,}")
_PAGE, _PANEL, _EDGE, _TEXT, _AWAY = "#f4f5f5", "#ffffff", "#d8d9da", "#24292e", "#ececec"
_COLOURS: Final = {"green": "#2f7d3b", "orange": "#b4560b", "red": "#b3261e"}
"""Those that the files of the dashboards name."""
_LINES: Final = (
    *("#3274d9", "#56a64b", "#e0752d", "#c4162a", "#8f3bb8", "#0a7f8c", "#b58900", "#7c5e4a"),
    *("#6b7280", "#d6629b", "#1f3f77", "#7fa33a"),
)
_NAMES_MAX: Final = len(_LINES)

_WIDTH_IN: Final = 11.0
_COLUMNS: Final = 24
_UNIT_IN: Final = 0.29
"""Height of one row of the grid."""
_GAP_IN: Final = 0.04
_PAD_IN: Final = 0.1
_NAME_IN: Final = 0.14
"""Height of a line of the legend."""
_LETTER_IN: Final = 0.066
"""Width of a letter of the legend, in fonts that are wide."""


class _Box(NamedTuple):
    """A place on the page in inches, from its lower left corner."""

    x: float
    y: float
    width: float
    height: float


def draw(dashboard: Path, seen: Seen) -> str:
    """The picture of a dashboard. The same data make the same bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = panels(dashboard)
    height_in = _UNIT_IN * max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in shown) + 0.35
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, height_in), facecolor=_PAGE)
        title = json.loads(dashboard.read_text("utf-8"))["title"]
        _write(figure, 2 * _GAP_IN, height_in - 0.25, title, size=11, weight="bold")
        _write(figure, _WIDTH_IN - 2 * _GAP_IN, height_in - 0.25, "grey: Redis is away", ha="right")
        for panel in shown:
            box = _box(panel["gridPos"], height_in - 0.35)
            _frame(figure, box, _PANEL)
            lines = seen.of(dashboard, panel)
            if panel["type"] == "stat":
                _stat(figure, box, panel, lines)
            else:
                _series(figure, box, panel, lines, seen.course)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    text = _QUOTED.sub(_shortened, _METADATA.sub("", buffer.getvalue()))
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _shortened(quoted: "re.Match[str]") -> str:
    """An attribute with its numbers to a hundredth of a point, which nobody sees."""
    return _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", quoted[0])


def _box(place: dict[str, int], top_in: float) -> _Box:
    column_in = _WIDTH_IN / _COLUMNS
    return _Box(
        place["x"] * column_in + _GAP_IN,
        top_in - (place["y"] + place["h"]) * _UNIT_IN + _GAP_IN,
        place["w"] * column_in - 2 * _GAP_IN,
        place["h"] * _UNIT_IN - 2 * _GAP_IN,
    )


def _frame(figure: "Figure", box: _Box, colour: str, edge: str = _EDGE) -> None:
    from matplotlib.patches import Rectangle

    figure.add_artist(
        Rectangle(
            (box.x, box.y), box.width, box.height,
            transform=figure.dpi_scale_trans, facecolor=colour, edgecolor=edge, linewidth=0.6, zorder=-1,
        )
    )  # fmt: skip


def _write(
    figure: "Figure", x: float, y: float, text: str, *, size: float = 7.5, colour: str = _TEXT, **more: Any
) -> None:
    figure.text(x, y, text, transform=figure.dpi_scale_trans, fontsize=size, color=colour, **more)


def _title(figure: "Figure", box: _Box, panel: dict[str, Any], colour: str = _TEXT) -> None:
    at = box.x + _PAD_IN, box.y + box.height - 0.2
    _write(figure, *at, panel["title"], size=8.5, weight="bold", colour=colour)


# Single values.


def _stat(figure: "Figure", box: _Box, panel: dict[str, Any], lines: list[Line]) -> None:
    """A tile per value, in the colour of its threshold, and below which thresholds there are."""
    defaults = panel["fieldConfig"]["defaults"]
    steps = defaults.get("thresholds", {}).get("steps", [])
    coloured = panel["options"]["colorMode"] == "background" and bool(steps)
    tiles = lines or [Line("", [])]
    width = box.width / len(tiles)
    for number, line in enumerate(tiles):
        tile = _Box(box.x + number * width, box.y, width, box.height)
        value = line.points[-1][1] if line.points else None
        if coloured and value is not None:
            colour = _COLOURS[_step(steps, value)["color"]]
            _frame(figure, tile, colour, edge=colour)
        ink = "#ffffff" if coloured and value is not None else _TEXT
        said = "no data" if value is None else written(value, defaults["unit"])
        middle = tile.x + tile.width / 2
        _write(figure, middle, tile.y + 0.4, said, size=17, colour=ink, ha="center", weight="bold")
        if len(tiles) > 1:
            _write(figure, middle, tile.y + 0.24, line.name, size=6.5, colour=ink, ha="center")
    ink = "#ffffff" if coloured and lines and lines[0].points else _TEXT
    _title(figure, box, panel, ink)
    limits = _limits(steps, defaults["unit"])
    _write(figure, box.x + _PAD_IN, box.y + 0.08, limits, size=6, colour=ink)


def _step(steps: list[dict[str, Any]], value: float) -> dict[str, Any]:
    """The highest step that the value has reached."""
    return [step for step in steps if step["value"] is None or value >= step["value"]][-1]


def _limits(steps: list[dict[str, Any]], unit: str) -> str:
    """In words from where on, or below which value, the tile is not green."""
    said = []
    for step, after in zip(steps, [*steps[1:], {}], strict=False):
        if step["value"] is not None:
            said.append(f"{step['color']} from {written(step['value'], unit)}")
        elif after:
            said.append(f"{step['color']} below {written(after['value'], unit)}")
    return ", ".join(each for each in said if not each.startswith("green"))


# Lines over time.


def _series(figure: "Figure", box: _Box, panel: dict[str, Any], lines: list[Line], course: Course) -> None:
    _title(figure, box, panel)
    drawn = lines[:_NAMES_MAX]
    colours = _colours(panel, drawn)
    below_in = 0.3 + _legend(figure, box, drawn, colours)
    left_in, top_in = 0.62, 0.3
    axes = figure.add_axes(
        (
            (box.x + left_in) / _WIDTH_IN,
            (box.y + below_in) / figure.get_figheight(),
            (box.width - left_in - _PAD_IN - 0.05) / _WIDTH_IN,
            (box.height - below_in - top_in) / figure.get_figheight(),
        )
    )
    defaults = panel["fieldConfig"]["defaults"]
    axes.axvspan(
        course.away_from_s - course.begin_s, course.away_until_s - course.begin_s, color=_AWAY, linewidth=0
    )
    if defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal":
        _stacked(axes, drawn, colours, course)
    else:
        for line, colour in zip(drawn, colours, strict=True):
            times, values = _with_gaps(line, course)
            axes.plot(times, values, color=colour, linewidth=1.1, solid_capstyle="round")
    _scales(axes, defaults, course, drawn)


def _colours(panel: dict[str, Any], lines: list[Line]) -> list[str]:
    """One for each line: that which the panel gives its name, or the next one."""
    fixed = {
        override["matcher"]["options"]: _COLOURS[override["properties"][0]["value"]["fixedColor"]]
        for override in panel["fieldConfig"]["overrides"]
    }
    return [fixed.get(line.name, colour) for line, colour in zip(lines, _LINES, strict=False)]


def _with_gaps(line: Line, course: Course) -> tuple[list[float], list[float]]:
    """Seconds since the begin with values, and no line over a time of which nothing is known."""
    times, values = [], []
    for (at_s, value), (after_s, _) in pairwise([*line.points, (float("inf"), 0.0)]):
        times.append(at_s - course.begin_s)
        values.append(value)
        if after_s - at_s > 1.5 * STEP_S:
            times.append(at_s - course.begin_s)
            values.append(float("nan"))
    return times, values


def _stacked(axes: "Axes", lines: list[Line], colours: list[str], course: Course) -> None:
    times = sorted({at_s for line in lines for at_s, _ in line.points})
    lower = [0.0] * len(times)
    for line, colour in zip(lines, colours, strict=True):
        there = dict(line.points)
        upper = [below + there.get(at_s, 0.0) for below, at_s in zip(lower, times, strict=True)]
        since = [at_s - course.begin_s for at_s in times]
        axes.fill_between(since, lower, upper, color=colour, alpha=0.25, linewidth=0)
        axes.plot(since, upper, color=colour, linewidth=0.9)
        lower = upper


def _scales(axes: "Axes", defaults: dict[str, Any], course: Course, lines: list[Line]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator, NullLocator

    length_s = course.end_s - course.begin_s
    axes.set_xlim(0, length_s)
    axes.xaxis.set_major_locator(MultipleLocator(60 if axes.get_window_extent().width < 700 else 30))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda at_s, _: f"{at_s // 60:.0f}:{at_s % 60:02.0f}" if at_s else "")
    )
    values = [value for line in lines for _, value in line.points]
    if defaults.get("custom", {}).get("scaleDistribution", {}).get("type") == "log":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(min([1e-3, *(value / 2 for value in values)]), 1.5)
    else:
        is_whole = defaults["unit"] == "short" and max(values, default=1.0) >= 1
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=is_whole))
        if "min" in defaults:
            highest = max(axes.get_ylim()[1] if values else 0.0, 0.0)
            axes.set_ylim(defaults["min"], highest if max(values, default=0) > 0 else 1.0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, defaults["unit"])))
    if not lines:
        axes.set_yticks([])
        axes.text(
            0.5,
            0.5,
            "no data",
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=10,
            color="#777777",
        )


def _legend(figure: "Figure", box: _Box, lines: list[Line], colours: list[str]) -> float:
    """Names below the panel's axes, in as many columns as there is room for; the height that takes, in inches."""
    from matplotlib.lines import Line2D

    if not lines:
        return 0.0
    wide_in = box.width - 2 * _PAD_IN
    columns = max(1, int(wide_in / (0.3 + _LETTER_IN * max(len(line.name) for line in lines))))
    rows = -(-len(lines) // columns)
    for number, (line, colour) in enumerate(zip(lines, colours, strict=True)):
        x = box.x + _PAD_IN + number % columns * wide_in / columns
        y = box.y + 0.07 + (rows - 1 - number // columns) * _NAME_IN
        figure.add_artist(
            Line2D([x, x + 0.14], [y + 0.03] * 2, transform=figure.dpi_scale_trans, color=colour, linewidth=2)
        )
        _write(figure, x + 0.19, y, line.name, size=7)
    return rows * _NAME_IN
