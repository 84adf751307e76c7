"""The metrics of Croupier: as `docs/metrics.md` lists them, and as the code exports them."""

import re
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from croupier.engine import Engine
from croupier.fairness.seeds import MasterKeys
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_http import metrics
from croupier_schemas.economy import TIERS

ROOT: Final = Path(__file__).parents[2]

Labels = dict[str, frozenset[str]]
"""Label names by metric, counters with their `_total`."""

_ROW: Final = re.compile(r"^\| `([a-z_]+)` \|([^|]*)\|", re.MULTILINE)

PLANNED: Final[Labels] = {
    "fairness_odds_p_value": frozenset({"banner", "test"}),
    "game_crash_bets_overdue": frozenset(),
    "test_mode": frozenset({"mode"}),
}
"""Metrics that alerts name before the server exports them. Whoever adds one takes it out here."""


def documented() -> Labels:
    """The table of the page."""
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    return {name: frozenset(re.findall(r"`(\w+)`", labels)) for name, labels in _ROW.findall(page)}


def exported() -> Labels:
    """What the code exports: the metrics that workers count, and the gauges of the state."""
    found: Labels = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            suffix = "_total" if family.type == "counter" else ""
            found[family.name + suffix] = frozenset(metric._labelnames)
    for family in _state().collect():
        for sample in family.samples:
            found[sample.name] = frozenset(sample.labels)
    return found


def exposition() -> str:
    """All of them as Prometheus reads them."""
    return metrics.exposition(_state()).decode()


def _state() -> metrics.StateGauges:
    engine = Engine(Transport("redis://127.0.0.1"), Settings(master_keys=MasterKeys.generate()))
    return metrics.StateGauges({"a": {"Epic": 1}}, dict.fromkeys(TIERS, 1), {"a": 1}, engine.room)


def series() -> Labels:
    """Every series that a query may name, with its labels."""
    found: Labels = {"up": frozenset()}
    histograms = {
        metric._name
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase) and metric._type == "histogram"
    }
    for name, labels in (exported() | PLANNED).items():
        if name in histograms:
            found |= {
                f"{name}_bucket": labels | {"le"},
                f"{name}_sum": labels,
                f"{name}_count": labels,
            }
        else:
            found[name] = labels
    return found
