"""The alarm for odds that are off, as Prometheus reads it."""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from croupier.analytics.watch import Tested

ODDS_P_VALUE: Final = "fairness_odds_p_value"


class OddsGauge(Collector):
    """One p-value per banner and test; none where there are no analytics, or no draws."""

    def __init__(self, p_values: Mapping[Tested, float]) -> None:
        self._p_values = p_values

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(
            ODDS_P_VALUE,
            "Probability that draws as disclosed deviate as much as those of the last 7 days do.",
            labels=["banner", "test"],
        )
        for tested, p_value in self._p_values.items():
            gauge.add_metric([tested.banner, tested.test], p_value)
        yield gauge
