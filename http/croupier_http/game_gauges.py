"""Gauges of what should not be in a game that is played in earnest: switches for tests, and bets nobody settles."""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from croupier.crash.overdue import overdue_bets
from croupier.engine import Engine
from croupier.errors import CroupierError

TEST_MODE: Final = "test_mode"
CRASH_BETS_OVERDUE: Final = "game_crash_bets_overdue"


class GameGauges(Collector):
    """Read from the settings of this server and from Redis, and not kept by any worker."""

    def __init__(self, modes: Mapping[str, bool], overdue: int | None) -> None:
        """`modes` says of each switch whether it is on; those that cannot be asked for now are left out.

        `overdue` counts bets; None: cannot be asked for now.
        """
        self._modes = modes
        self._overdue = overdue

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(
            TEST_MODE, "1 where a switch is on that is for tests, by switch.", labels=["mode"]
        )
        for mode, on in self._modes.items():
            gauge.add_metric([mode], int(on))
        yield gauge
        if self._overdue is not None:
            yield GaugeMetricFamily(
                CRASH_BETS_OVERDUE, "Open crash bets whose round must be over.", self._overdue
            )


async def read_game_gauges(engine: Engine) -> GameGauges:
    """As they are now."""
    modes = {
        "deterministic": bool(engine.settings.deterministic_seed),
        "rps": bool(engine.settings.rps_deterministic),
    }
    try:
        economy = (await engine.views.in_force(0)).economy.economy
        modes["rate_limit_shadow"] = economy.rate_limit.mode == "shadow"
        overdue = await overdue_bets(engine)
    except CroupierError:  # Redis is away, or the partition is not open
        return GameGauges(modes, None)
    return GameGauges(modes, overdue)
