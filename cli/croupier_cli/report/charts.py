"""The drawings of the report. Each is beside a table with the same figures."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from croupier_cli.report.drawing import FIRST, SECOND, TEXT, THIRD, draw
from croupier_cli.report.markup import Html
from croupier_schemas.admin import SinkLag
from croupier_schemas.analytics import Cohort, CrashPoints, DrawnOdds, FunnelStage, GameRtp, Hour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Z_95: Final = 1.96
_HOUR: Final = datetime.timedelta(hours=1)
_ROW_IN: Final = 0.34


def activity(hours: Sequence[Hour], zone: str) -> Html:
    """Draws, and what the house kept, hour by hour."""
    at: Any = [hour.hour for hour in hours]
    width: Any = _HOUR * 0.9

    def pulls(axes: "Axes") -> None:
        axes.bar(at, [hour.pulls for hour in hours], width=width, align="edge", color=FIRST)
        axes.set_title("Pulls per hour", loc="left", fontsize=10)
        axes.grid(axis="x", visible=False)

    def kept(axes: "Axes") -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
        from matplotlib.ticker import EngFormatter

        net = [hour.staked - hour.paid for hour in hours]
        colours = [FIRST if each >= 0 else SECOND for each in net]
        axes.bar(at, net, width=width, align="edge", color=colours)
        axes.axhline(0, color=TEXT, linewidth=0.8)
        axes.set_title("Tokens staked less tokens paid, per hour", loc="left", fontsize=10)
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        locator = AutoDateLocator(tz=ZoneInfo(zone), maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        labels = ConciseDateFormatter(locator, tz=ZoneInfo(zone))  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(labels)

    total = sum(hour.pulls for hour in hours)
    said = f"{len(hours)} hours with {total:,} pulls."
    return draw("Pulls and tokens per hour", said, 3.6, pulls, kept, share_x=True)


def rarities(item: DrawnOdds) -> Html:
    """The share of each rarity, with the band in which 95 of 100 shares lie where the odds are as disclosed."""
    shown = [each for each in item.rarities if each.expected > 0 or each.observed]

    def shares(axes: "Axes") -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        for place, rarity in enumerate(shown):
            middle, spread = rarity.expected / item.draws, _Z_95 * rarity.deviation / item.draws
            low = max(middle - spread, middle / 20)
            axes.barh(place, middle + spread - low, left=low, height=0.5, color=FIRST, alpha=0.35)
            axes.plot([middle, middle], [place - 0.25, place + 0.25], color=FIRST, linewidth=2)
            if rarity.observed:
                axes.plot(rarity.observed / item.draws, place, "o", color=SECOND, markersize=6)
        axes.set_xscale("log")
        axes.use_sticky_edges = False
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.set_yticks(range(len(shown)), [rarity.rarity for rarity in shown])
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _place: f"{100 * share:g} %"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(axis="y", visible=False)

    said = "; ".join(f"{each.rarity} {each.observed:,}, expected {each.expected:,.1f}" for each in shown)
    return draw(f"Rarities drawn from {item.banner}", said, 0.5 + _ROW_IN * len(shown), shares)


def returns(items: Sequence[GameRtp]) -> Html:
    """What each game paid back, with the interval, and what is disclosed."""

    def ratios(axes: "Axes") -> None:
        from matplotlib.ticker import PercentFormatter

        for place, item in enumerate(items):
            if item.low is not None and item.high is not None:
                axes.plot([item.low, item.high], [place, place], color=SECOND, linewidth=3, alpha=0.45)
            axes.plot(item.rtp, place, "o", color=SECOND, markersize=6)
            axes.plot([item.disclosed] * 2, [place - 0.3, place + 0.3], color=FIRST, linewidth=2)
        axes.set_yticks(range(len(items)), [f"{item.game} {item.economy[:8]}" for item in items])
        axes.invert_yaxis()
        axes.set_ylim(len(items) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(axis="y", visible=False)

    said = "; ".join(
        f"{item.game} {100 * item.rtp:.2f} %, disclosed {100 * item.disclosed:.2f} %" for item in items
    )
    return draw("Return to players", said, 0.5 + _ROW_IN * len(items), ratios)


def crash(points: CrashPoints) -> Html:
    """Rounds by where they crashed, beside what is to be expected."""

    def bins(axes: "Axes") -> None:
        places = range(len(points.bins))
        axes.bar(places, [each.observed for each in points.bins], width=0.8, color=FIRST)
        for place, each in enumerate(points.bins):
            axes.plot([place - 0.45, place + 0.45], [each.expected] * 2, color=SECOND, linewidth=2.2)
        axes.set_xticks(
            places, [bin_name(each.low, each.high) for each in points.bins], rotation=30, ha="right"
        )
        axes.grid(axis="x", visible=False)

    said = "; ".join(
        f"{bin_name(each.low, each.high)}: {each.observed:,}, expected {each.expected:,.1f}"
        for each in points.bins
    )
    return draw("Crash points", said, 2.5, bins)


def retention(cohorts: Sequence[Cohort]) -> Html:
    """The share of each day's new players who came back."""
    curves = (
        ("after 1 day", "d1", FIRST, "o-"),
        ("after 7 days", "d7", SECOND, "s-"),
        ("after 30 days", "d30", THIRD, "^-"),
    )

    def curves_of(axes: "Axes") -> None:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
        from matplotlib.ticker import PercentFormatter

        for label, name, colour, form in curves:
            known = [(cohort.day, getattr(cohort, name)) for cohort in cohorts]
            shares = {day: returned.share for day, returned in known if returned is not None}
            if shares:
                days: Any = list(shares)
                axes.plot(days, list(shares.values()), form, color=colour, label=label, markersize=4)
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        locator = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        labels = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(labels)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3)

    said = f"{len(cohorts)} days with {sum(cohort.players for cohort in cohorts):,} new players."
    return draw("Players who came back", said, 2.4, curves_of)


def funnel(stages: Sequence[FunnelStage]) -> Html:
    """Players by how far they came."""

    def counts(axes: "Axes") -> None:
        names = [stage.stage for stage in stages]
        bars = axes.barh(names, [stage.count for stage in stages], height=0.6, color=FIRST)
        axes.bar_label(bars, labels=[f"{stage.count:,}" for stage in stages], padding=4, color=TEXT)
        axes.invert_yaxis()
        axes.margins(x=0.1)
        axes.grid(axis="y", visible=False)

    said = ", ".join(f"{stage.stage} {stage.count:,}" for stage in stages)
    return draw("From the shop to a purchase", said, 1.6, counts)


def lags(sinks: Sequence[SinkLag]) -> Html:
    """The age of the oldest event that each sink lacks."""

    def ages(axes: "Axes") -> None:
        bars = axes.barh(
            [sink.sink for sink in sinks], [sink.seconds for sink in sinks], height=0.6, color=FIRST
        )
        axes.bar_label(
            bars,
            labels=[f"{sink.seconds:,.1f} s, {sink.events:,} events" for sink in sinks],
            padding=4,
            color=TEXT,
        )
        axes.invert_yaxis()
        axes.set_xlim(0, max(1.0, *(1.6 * sink.seconds for sink in sinks)))
        axes.set_xlabel("seconds")
        axes.grid(axis="y", visible=False)

    said = ", ".join(f"{sink.sink} {sink.seconds:.1f} s" for sink in sinks)
    return draw("How far the sinks are behind", said, 0.7 + _ROW_IN * len(sinks), ages)


def bin_name(low: float, high: float | None) -> str:
    """Where crash points lie, as a label."""
    if low == 1.0:
        return "1.00"
    return f"{low:,g} to {high:,g}" if high is not None else f"{low:,g} or more"
