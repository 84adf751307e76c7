"""The metrics of Croupier: as `docs/metrics.md` lists them, and as the code exports them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from croupier.analytics.watch import Tested
from croupier.engine import Engine
from croupier.fairness.seeds import MasterKeys
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_http import metrics
from croupier_http.game_gauges import GameGauges
from croupier_http.odds_gauge import OddsGauge
from croupier_schemas.economy import TIERS

ROOT: Final = Path(__file__).parents[2]

Labels = dict[str, frozenset[str]]
"""Label names by metric, counters with their `_total`."""

RESERVED: Final[Labels] = {
    "app_invite_code_rejected_total": frozenset({"reason"}),
    "app_invite_code_unused": frozenset(),
}
"""Metrics that rules may name though no server exports them yet. Their names are fixed by the specification, and the
release with signup exports them; the rules of invite codes are there before the first code is. To be taken out of here,
and put into `docs/metrics.md`, with that release."""

_ROW: Final = re.compile(r"^\| `([a-z_]+)` \|([^|]*)\|", re.MULTILINE)


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
    for state in _states():
        for family in state.collect():
            suffix = "_total" if family.type == "counter" else ""
            found[family.name + suffix] = frozenset(getattr(family, "_labelnames", ()))
    return found


def exposition() -> str:
    """All of them as Prometheus reads them."""
    return metrics.exposition(*_states()).decode()


def _states() -> Iterator[Collector]:
    """The gauges that no worker keeps."""
    engine = Engine(Transport("redis://127.0.0.1"), Settings(master_keys=MasterKeys.generate()))
    yield metrics.StateGauges({"a": {"Epic": 1}}, dict.fromkeys(TIERS, 1), {"a": 1}, [], engine.room)
    yield GameGauges({"a": True}, 1)
    yield OddsGauge({Tested("a", "items"): 0.5})


def series() -> Labels:
    """Every series that a query may name, with its labels."""
    found: Labels = {"up": frozenset()}
    histograms = {
        metric._name
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase) and metric._type == "histogram"
    }
    for name, labels in exported().items():
        if name in histograms:
            found |= {
                f"{name}_bucket": labels | {"le"},
                f"{name}_sum": labels,
                f"{name}_count": labels,
            }
        else:
            found[name] = labels
    return found
