"""Drawings by matplotlib that fit into a page: inline SVG in the page's own colours and type.

Colours stand in the drawing as placeholders, and become variables of the page's style sheet, so that one drawing serves
the light and the dark scheme. Text stays text.
"""

import html
import io
import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from croupier_cli.report.markup import Html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT: Final = "#010101"
GRID: Final = "#010102"
FIRST: Final = "#010103"
SECOND: Final = "#010104"
THIRD: Final = "#010105"
_VARIABLES: Final = {
    TEXT: "var(--muted)", GRID: "var(--line)", FIRST: "var(--first)", SECOND: "var(--second)", THIRD: "var(--third)",
}  # fmt: skip

WIDTH_IN: Final = 7.2
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "croupier",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": TEXT,
    "axes.edgecolor": GRID,
    "axes.labelcolor": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "xtick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.major.size": 0.0,
    "ytick.minor.size": 0.0,
    "legend.frameon": False,
}
_NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_IDS: Final = re.compile(r'(\bid="|url\(#|xlink:href="#)')
# A style sheet would be that of the whole page, and fonts are the page's.
_LEFT_OUT: Final = re.compile(
    r"<metadata>.*?</metadata>\s*|<style.*?</style>\s*|font-family: [^;\"]*; ?", re.DOTALL
)
_numbers = itertools.count(1)


def draw(
    title: str, said: str, height_in: float, *drawings: "Callable[[Axes], None]", share_x: bool = False
) -> Html:
    """A drawing of panels, one below the other; `said` is what it shows, for who cannot see it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        figure.patch.set_visible(False)
        panels = figure.subplots(len(drawings), 1, squeeze=False, sharex=share_x)
        for axes, drawing in zip(panels[:, 0], drawings, strict=True):
            axes.patch.set_visible(False)
            drawing(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    return _inline(buffer.getvalue(), title, said)


def _inline(document: str, title: str, said: str) -> Html:
    """The drawing without what only a document of its own has."""
    name = f"d{next(_numbers)}"
    svg = _LEFT_OUT.sub("", document[document.index("<svg") :])
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    body = _IDS.sub(rf"\g<1>{name}-", svg[svg.index(">") + 1 :])
    body = body.replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, variable)
    head = (
        f'<svg {box[0]} role="img" aria-labelledby="{name}-title {name}-said">'
        f'<title id="{name}-title">{html.escape(title)}</title><desc id="{name}-said">{html.escape(said)}</desc>'
    )
    return Html(head + body.strip())
