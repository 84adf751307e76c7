"""Draws the dashboards as Prometheus sees a casino in which everything happens: `python -m tests.ops.dashboards`.

It takes five minutes. What Prometheus answered is kept in a file; with `--again` only the pictures are drawn anew.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from tests.ops.dashboards.course import Course, run_course
from tests.ops.dashboards.drawing import PICTURES, draw
from tests.ops.dashboards.prometheus import Prometheus
from tests.ops.dashboards.seen import Seen, see
from tests.ops.queries import DASHBOARDS, ROOT

_KEPT: Final = ROOT / ".artefacts" / "dashboards.json"


def main() -> None:
    """Play, look and draw; or only draw."""
    if "--again" not in sys.argv:
        with tempfile.TemporaryDirectory(prefix="croupier-dashboards-") as directory:
            asyncio.run(run_course(Path(directory), _keep))
    seen = msgspec.json.decode(_KEPT.read_bytes(), type=Seen)
    PICTURES.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (PICTURES / f"{dashboard.stem}.svg").write_text(draw(dashboard, seen), "utf-8")
    for alert, after_s in seen.alerts.items():
        print(f"{alert} fired {after_s:.0f} s after the begin")


def _keep(prometheus: Prometheus, course: Course) -> None:
    _KEPT.parent.mkdir(exist_ok=True)
    _KEPT.write_bytes(msgspec.json.encode(see(prometheus, course)))


if __name__ == "__main__":
    main()
