"""What each panel shows, asked of Prometheus as Grafana would."""

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.ops.dashboards.course import Course
from tests.ops.dashboards.prometheus import Prometheus, Series
from tests.ops.queries import DASHBOARDS, panels

_IN_BRACES: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Line(msgspec.Struct, frozen=True):
    """A series under the name that the legend gives it: Unix times in seconds with values."""

    name: str
    points: list[tuple[float, float]]


class Seen(msgspec.Struct, frozen=True):
    """Everything that pictures are drawn of."""

    course: Course
    alerts: dict[str, float]
    """The alerts that fired, with the seconds after the begin at which each did so first."""
    lines: dict[str, list[Line]]
    """By dashboard and number of the panel, such as `games/5`."""

    def of(self, dashboard: Path, panel: dict[str, Any]) -> list[Line]:
        """The lines of a panel."""
        return self.lines[f"{dashboard.stem}/{panel['id']}"]


def see(prometheus: Prometheus, course: Course) -> Seen:
    """Ask all queries of all panels. Raises RuntimeError where a scrape or a rule fails."""
    if faults := prometheus.faults():
        raise RuntimeError("\n".join(faults))
    firing = prometheus.over('ALERTS{alertstate="firing"}', course.begin_s, course.end_s)
    return Seen(
        course,
        {labels["alertname"]: points[0][0] - course.begin_s for labels, points in firing},
        {
            f"{dashboard.stem}/{panel['id']}": [
                Line(_legend(target["legendFormat"], labels), [each for each in points if each[1] == each[1]])
                for target in panel["targets"]
                for labels, points in _asked(prometheus, target, course)
            ]
            for dashboard in DASHBOARDS
            for panel in panels(dashboard)
        },
    )


def _asked(prometheus: Prometheus, target: dict[str, Any], course: Course) -> list[Series]:
    if target.get("instant"):
        return prometheus.at(target["expr"], course.end_s)
    return prometheus.over(target["expr"], course.begin_s, course.end_s)


def _legend(form: str, labels: dict[str, str]) -> str:
    return _IN_BRACES.sub(lambda found: labels.get(found[1], ""), form)
