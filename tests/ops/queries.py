"""Everything in ops/ that asks Prometheus something: rules and dashboards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

ROOT: Final = Path(__file__).parents[2]
PROMETHEUS: Final = ROOT / "ops" / "prometheus"
RULES: Final = sorted((PROMETHEUS / "rules").glob("*.yml"))
DASHBOARDS: Final = sorted((ROOT / "ops" / "grafana" / "dashboards").glob("*.json"))


class Query(NamedTuple):
    """A query, and where it stands."""

    where: str
    text: str


def read_yaml(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text("utf-8"))


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules of a kind, `alert` or `record`."""
    groups = [group for path in RULES for group in read_yaml(path)["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def panels(path: Path) -> list[dict[str, Any]]:
    """The panels of a dashboard, but for the rows that head them."""
    return [panel for panel in json.loads(path.read_text("utf-8"))["panels"] if panel["type"] != "row"]


def filled_in(query: str, rate_interval: str) -> str:
    """A query of a panel as Grafana sends it: with the interval that it chooses for rates."""
    return query.replace("$__rate_interval", rate_interval)


def queries() -> Iterator[Query]:
    """Every query of every rule, panel and variable."""
    for kind in ("record", "alert"):
        for rule in rules(kind):
            yield Query(rule[kind], rule["expr"])
    for path in DASHBOARDS:
        for panel in panels(path):
            for target in panel["targets"]:
                yield Query(f"{path.stem}: {panel['title']}", target["expr"])
