"""Writes the tables of a page: the blocks that a run has figures for, with the goals beside them."""

import re
from collections.abc import Sequence
from typing import Any, Final

from bench.reporting.blocks import BLOCKS, Block
from bench.reporting.figures import figure, written
from bench.reporting.saved import Measured, Run


class NoBlock(Exception):
    """A page lacks the markers of a block."""


def table(block: Block, rows: Sequence[Measured], measured_on: str) -> str:
    """A block's text: a Markdown table, and what it was measured on. Goals stand beside figures, in bold where met."""
    head = [*([block.what] if block.what else []), *(figure(name).heading for name in block.figures)]
    lines = [_line(head), _line(["---"] * len(head))]
    for row in rows:
        cells = [_cell(block, row, name) for name in block.figures]
        lines.append(_line([row.label, *cells] if block.what else cells))
    return "\n".join([*lines, "", f"<sub>{measured_on}</sub>"])


def _cell(block: Block, row: Measured, name: str) -> str:
    value: Any = row.figures.get(name)
    if value is None:
        return ""
    goal = block.goals.get((row.label, name))
    if goal is None:
        return written(name, value)
    text = f"**{written(name, value)}**" if goal.is_met(value) else written(name, value)
    return f"{text} ({goal})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_MARKER: Final = re.compile(r"<!-- ([a-z0-9-]+):begin -->\n(.*?)<!-- \1:end -->", re.DOTALL)


def blocks_of(page: str) -> list[str]:
    """The names of the blocks that a page has."""
    return [match[1] for match in _MARKER.finditer(page)]


def fill(page: str, run: Run) -> str:
    """The page with the tables of a run. Blocks that the run did not measure stay as they are.

    Raises NoBlock where the run measured what the page has no block for.
    """
    tables = {
        block.name: table(block, rows, run.measured_on) for block in BLOCKS if (rows := run.of(block.test))
    }
    if missing := tables.keys() - set(blocks_of(page)):
        raise NoBlock(
            f"the page has no <!-- name:begin --> and <!-- name:end --> for {', '.join(sorted(missing))}"
        )

    def filled(match: re.Match[str]) -> str:
        text = tables.get(match[1])
        return f"<!-- {match[1]}:begin -->\n{text}\n<!-- {match[1]}:end -->" if text is not None else match[0]

    return _MARKER.sub(filled, page)
