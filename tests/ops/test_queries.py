"""Every query of rules and dashboards names metrics and labels that there are; and the dashboards can be loaded."""

import json
from pathlib import Path
from typing import Final

import pytest

from tests.ops.exported import RESERVED, documented, exported, exposition, series
from tests.ops.promql import Named, named
from tests.ops.promtool import promtool
from tests.ops.queries import DASHBOARDS, PROMETHEUS, ROOT, Query, panels, queries, read_yaml, rules

TARGET_LABELS: Final = frozenset({"job", "instance", "environment"})
"""What Prometheus adds to every series that it scrapes."""
OF_PROMETHEUS: Final = {"ALERTS": frozenset({"alertname", "alertstate", "severity"})}
PROVISIONING: Final = ROOT / "ops" / "grafana" / "provisioning"
RECORDED: Final = {rule["record"]: named(rule["expr"]) for rule in rules("record")}


@pytest.mark.parametrize(
    ("query", "selected", "grouped"),
    [
        ('sum by (a, b) (rate(x_total{c="d{e}", f=~"g"}[5m]))', {"x_total": {"c", "f"}}, {"a", "b"}),
        ("x offset 5m and on () (y > 1e-6) or vector(0)", {"x": set(), "y": set()}, set()),
        ("histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))", {"x_bucket": set()}, {"le"}),
        ("a:b:rate5m unless ignoring (c) group_left (d) e", {"a:b:rate5m": set(), "e": set()}, {"c", "d"}),
        ("topk(3, x) by (z)", {"x": set()}, {"z"}),
    ],
)
def test_given_a_query_when_read_then_its_metrics_and_labels_are_found(
    query: str, selected: dict[str, set[str]], grouped: set[str]
) -> None:
    assert named(query) == Named(selected, grouped)


def test_given_the_page_of_metrics_then_it_lists_what_the_code_exports_with_its_labels() -> None:
    assert documented() == exported()


def labels_of(metric: str) -> frozenset[str] | None:
    """The labels that series of this name have; None where there are none of this name."""
    if metric in RECORDED:
        return frozenset(RECORDED[metric].grouped)
    if metric in OF_PROMETHEUS:
        return OF_PROMETHEUS[metric]
    labels = (series() | RESERVED).get(metric)
    return None if labels is None else labels | TARGET_LABELS


@pytest.mark.parametrize("query", list(queries()), ids=lambda query: query.where)
def test_given_a_query_of_a_rule_or_a_panel_then_every_metric_and_label_that_it_names_exists(
    query: Query,
) -> None:
    there = {metric: labels_of(metric) for metric in named(query.text).selected}
    assert None not in there.values(), there

    for metric, asked in named(query.text).selected.items():
        assert asked <= (there[metric] or set()), metric
    assert named(query.text).grouped <= frozenset().union(*(labels or () for labels in there.values()))


def test_given_the_reserved_names_then_none_is_exported_yet_and_only_the_rules_of_accounts_name_them() -> (
    None
):
    accounts = {
        rule["alert"] for rule in read_yaml(PROMETHEUS / "rules" / "accounts.yml")["groups"][0]["rules"]
    }
    naming = {query.where: named(query.text).selected.keys() & RESERVED.keys() for query in queries()}

    assert exported().keys() & RESERVED.keys() == set(), "exported now: take it out of RESERVED"
    assert {where for where, names in naming.items() if names} == accounts
    assert frozenset().union(*naming.values()) == RESERVED.keys()


def test_given_the_metrics_of_the_code_when_linted_then_prometheus_finds_nothing_wrong() -> None:
    promtool("check", "metrics", stdin=exposition())


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_given_a_dashboard_then_every_panel_has_a_description_and_the_data_source_that_is_provisioned(
    path: Path,
) -> None:
    dashboard = json.loads(path.read_text("utf-8"))
    source = read_yaml(PROVISIONING / "datasources" / "prometheus.yml")["datasources"][0]
    expected = {"type": source["type"], "uid": source["uid"]}

    assert dashboard["uid"] == f"croupier-{path.stem}"
    assert len({panel["id"] for panel in panels(path)}) == len(panels(path))
    for panel in panels(path):
        assert panel["title"]
        assert panel["description"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == expected


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_given_a_dashboard_then_no_panel_lies_over_another_one(path: Path) -> None:
    cells = [
        (x, y)
        for panel in panels(path)
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_given_the_dashboards_then_no_metric_of_croupiers_own_is_left_unwatched() -> None:
    watched: set[str] = set()
    for query in queries():
        for metric in named(query.text).selected:
            watched.add(metric.removesuffix("_bucket"))

    assert exported().keys() - watched == set()
