"""The pictures of the dashboards are those of the dashboards that there are."""

from html import escape
from pathlib import Path

import pytest

from tests.ops.queries import DASHBOARDS, ROOT, panels

PAGE = ROOT / "docs" / "operating" / "dashboards.md"
SIZE_MAX = 200_000


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_given_a_dashboard_when_its_picture_is_read_then_every_panel_is_in_it(dashboard: Path) -> None:
    picture = PAGE.parent / "dashboards" / f"{dashboard.stem}.svg"
    drawn = picture.read_text("utf-8")
    missing = [
        panel["title"] for panel in panels(dashboard) if f">{escape(panel['title'])}</text>" not in drawn
    ]
    assert missing == [], "draw it again: make dashboards"
    assert f"](dashboards/{dashboard.stem}.svg)" in PAGE.read_text("utf-8")
    assert len(drawn) < SIZE_MAX


def test_given_the_pictures_then_each_is_of_a_dashboard() -> None:
    drawn = {picture.stem for picture in (PAGE.parent / "dashboards").iterdir()}
    assert drawn == {dashboard.stem for dashboard in DASHBOARDS}
