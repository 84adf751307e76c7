"""Reads the test vectors out of docs/fairness.md."""

import json
import re
from pathlib import Path
from typing import Any

TEXT = Path(__file__).parents[2].joinpath("docs", "fairness.md").read_text("utf-8")


def vectors(kind: str) -> list[str]:
    """What follows each marker of this kind: a table's lines, or the inside of a code block."""
    found = re.findall(rf"<!-- vectors: {kind} -->\n(?:```json\n([^`]*)```|((?:\|.*\n)+))", TEXT)
    assert found, kind
    return [block or table for block, table in found]


def rows(kind: str) -> list[dict[str, str]]:
    """The rows of the one table of this kind, by the names of their columns."""
    (table,) = vectors(kind)
    head, _, *lines = ([cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines())
    assert lines
    return [dict(zip(head, line, strict=True)) for line in lines]


def receipts(kind: str = "receipt") -> list[dict[str, Any]]:
    """The example receipts of this kind; those of pulls have no other name."""
    return [json.loads(block) for block in vectors(kind)]


def server_seed() -> str:
    (row,) = rows("seed")
    return row["server seed"]
