"""Figures made up for tests of how the report looks: every section has something to show, an alarm among them."""

import datetime
from typing import Final

from croupier_cli.report.figures import Figures
from croupier_schemas.admin import SinkLag
from croupier_schemas.analytics import (
    Cohort,
    CrashBin,
    CrashPoints,
    DrawnItem,
    DrawnOdds,
    DrawnRarity,
    FunnelStage,
    GameRtp,
    Hour,
    OddsReply,
    RetentionReply,
    Returned,
    RtpReply,
)

_NOW: Final = datetime.datetime(2026, 3, 12, 11, tzinfo=datetime.UTC)
_ECONOMY: Final = "77687bef0244" + "0" * 52


def _banner(name: str, p_value: float | None) -> DrawnOdds:
    rarities = [
        DrawnRarity("Legendary", 5_000, 9, 12.2, 3.4, [DrawnItem("crown", 9, 9.0)]),
        DrawnRarity(
            "Epic", 45_000, 101, 95.5, 9.5, [DrawnItem("dice", 51, 50.5), DrawnItem("ace", 50, 50.5)]
        ),
        DrawnRarity("Rare", 250_000, 480, 500.0, 19.4, [DrawnItem("card", 480, 480.0)]),
        DrawnRarity("Common", 700_000, 1_410, 1_392.3, 20.6, [DrawnItem("chip", 1_410, 1_410.0)]),
    ]
    return DrawnOdds(name, _ECONOMY, True, 200, 2_000, _NOW, _NOW, rarities, 3.1, 3, p_value, 0.1, 1, 0.75)


def sample() -> Figures:
    """Seven days."""
    hours = [
        Hour(_NOW - datetime.timedelta(hours=back), 5, 20 + back % 24, 200, 9_000, 7_000 + 150 * (back % 24))
        for back in range(7 * 24, 0, -1)
    ]
    days = [datetime.date(2026, 3, 6) + datetime.timedelta(days=day) for day in range(7)]
    cohorts = [
        Cohort(day, 40, Returned(20 - place, 0.5 - place / 40) if place < 6 else None, None, None)
        for place, day in enumerate(days)
    ]
    rtp = [GameRtp("crash", _ECONOMY, 900, 90_000, 88_000, 0.9778, 0.9, 1.05, 0.99),
           GameRtp("slot", _ECONOMY, 1, 100, 0, 0.0, None, None, 0.96)]  # fmt: skip
    bins = [CrashBin(1.0, 1.01, 20, 17.6), CrashBin(1.01, 2.0, 470, 436.6), CrashBin(2.0, None, 410, 445.5)]
    return Figures(
        made_at=_NOW, days=7, zone="Asia/Seoul", as_of=_NOW, hours=hours,
        odds=OddsReply(_NOW, 2, [_banner("standard", 0.37), _banner("festival", 1e-9)], _NOW),
        rtp=RtpReply(_NOW, 2, rtp, _NOW), crash=CrashPoints(900, bins, 4.1, 2, 0.13),
        retention=RetentionReply(7, cohorts, _NOW),
        funnel=[
            FunnelStage("open_shop", 90, _NOW), FunnelStage("buy_click", 40, _NOW),
            FunnelStage("buy_success", 9, _NOW),
        ],
        sinks=[SinkLag("postgres", 3, 0.1), SinkLag("kafka", 120, 1.5), SinkLag("clickhouse", 5_200, 42.0)],
    )  # fmt: skip
