"""docs/security.md says by which test each claim is shown."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_given_the_threat_model_when_read_then_every_row_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    tables = text.partition("## Boundaries")[2].partition("## What is not protected")[0]
    rows = [line for line in tables.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) >= 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", row.split("|")[3])
        assert named, row
        assert [name for name in named if not (ROOT / name).exists()] == [], row
