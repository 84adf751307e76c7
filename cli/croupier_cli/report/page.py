"""The report as a page: one file, which asks nobody for anything, with a table of figures beside each drawing."""

import datetime
from collections.abc import Sequence
from importlib import resources
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from croupier_cli.report import charts
from croupier_cli.report.figures import Figures
from croupier_cli.report.markup import Html, element, join, table
from croupier_schemas.analytics import DrawnOdds, Hour, Returned

ALARM_P: Final = 1e-4
"""A p-value below this is worth a look; the docs say why not a larger one."""

DRAWN_MAX: Final = 6
"""Banners and versions with a drawing; all have a table."""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_NOTHING: Final = element("p", "Nothing was played in these days.", class_="soft")


def page(figures: Figures) -> str:
    """The whole document."""
    style = resources.files(__package__).joinpath("style.css").read_text("utf-8")
    sections = [
        ("activity", "Pulls and tokens", _activity(figures)),
        ("odds", "Rarities observed and disclosed", _odds(figures)),
        ("returns", "Return to players", _returns(figures)),
        ("crash", "Crash points", _crash(figures)),
        ("funnel", "From the shop to a purchase", _funnel(figures)),
        ("retention", "Players who came back", _retention(figures)),
        ("sinks", "How far the sinks are behind", _sinks(figures)),
    ]
    links = [element("li", element("a", title, href=f"#{name}")) for name, title, _ in sections]
    bodies = [
        element(
            "section",
            element("h2", title, id=f"{name}-title"),
            body,
            id=name,
            aria_labelledby=f"{name}-title",
        )
        for name, title, body in sections
    ]
    head = join(
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", f"Croupier report, {_time(figures.made_at, figures.zone)}"),
        element("style", Html(style)),
    )
    body = join(
        element("header", element("h1", "Croupier report"), _period(figures), _tiles(figures)),
        element("main", element("nav", element("ul", *links), aria_label="Sections"), *bodies),
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _period(figures: Figures) -> Html:
    as_of = (
        "before the first event" if figures.as_of is None else f"up to {_time(figures.as_of, figures.zone)}"
    )
    return element(
        "p",
        f"The last {figures.days} days, today included ({figures.zone}). ClickHouse holds what happened {as_of}; "
        f"made {_time(figures.made_at, figures.zone)}.",
        class_="soft",
    )


def _tiles(figures: Figures) -> Html:
    hours = figures.hours
    staked, paid = sum(hour.staked for hour in hours), sum(hour.paid for hour in hours)
    tested = [p for item in figures.odds.items for p in (item.p_value, item.items_p_value) if p is not None]
    odds = "no draws" if not tested else "off" if min(tested) < ALARM_P else "as disclosed"
    tiles = {
        "Pulls": join(f"{sum(hour.pulls for hour in hours):,}"),
        "Tokens staked": join(f"{staked:,}"),
        "Tokens paid": join(f"{paid:,}"),
        "New players": join(f"{sum(cohort.players for cohort in figures.retention.items):,}"),
        "Odds": element("span", odds, class_="alarm" if odds == "off" else "good" if tested else ""),
    }
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in tiles.items()),
        class_="tiles",
    )


def _activity(figures: Figures) -> Html:
    if not figures.hours:
        return _NOTHING
    zone = ZoneInfo(figures.zone)
    days = [
        (str(day), list(of_day))
        for day, of_day in groupby(figures.hours, lambda hour: hour.hour.astimezone(zone).date())
    ]
    return join(
        element("p", "Pulls paid in gems stake no tokens. Below 0 the players won more than they bet."),
        _figure(charts.activity(figures.hours, figures.zone)),
        table(
            "By day",
            ["Day", "Pulls", "Draws", "Staked", "Paid", "Net"],
            [[day, *_amounts(of_day)] for day, of_day in days],
        ),
    )


def _amounts(hours: Sequence[Hour]) -> list[str]:
    staked, paid = sum(hour.staked for hour in hours), sum(hour.paid for hour in hours)
    pulls, draws = sum(hour.pulls for hour in hours), sum(hour.draws for hour in hours)
    return [f"{figure:,}" for figure in (pulls, draws, staked, paid, staked - paid)]


def _odds(figures: Figures) -> Html:
    if not figures.odds.items:
        return _NOTHING
    intro = element(
        "p",
        "Each draw is compared with the odds that were disclosed for it, pity included. p is the probability of a "
        f"deviation at least as large by chance alone; below {ALARM_P:g} somebody should look.",
    )
    return join(intro, *(_banner(item, place < DRAWN_MAX) for place, item in enumerate(figures.odds.items)))


def _banner(item: DrawnOdds, drawn: bool) -> Html:
    name = f"{item.banner}, economy {item.economy[:12]}"
    force = "in force" if item.in_force else "not in force"
    verdict = join("Rarities ", _verdict(item.p_value), "; items ", _verdict(item.items_p_value), ".")
    key = element(
        "figcaption",
        element("span", "observed", class_="second"),
        element("span", "expected"),
        element("span", "95 of 100 lie here", class_="band"),
        class_="key",
    )
    rarities = table(
        f"{item.draws:,} draws in {item.pulls:,} pulls",
        ["Rarity", "Weight (ppm)", "Observed", "Expected", "Deviation (σ)"],
        [
            [each.rarity, f"{each.weight_ppm:,}", f"{each.observed:,}", f"{each.expected:,.1f}",
             f"{(each.observed - each.expected) / each.deviation:+.2f}" if each.deviation else "–"]
            for each in item.rarities
        ],
        of=name,
    )  # fmt: skip
    items = table(
        "Items delivered, and expected among those of their rarity",
        ["Item", "Rarity", "Observed", "Expected"],
        [
            [drawn_item.id, each.rarity, f"{drawn_item.observed:,}", f"{drawn_item.expected:,.1f}"]
            for each in item.rarities
            for drawn_item in each.items
        ],
        of=name,
    )
    return join(
        element("h3", f"{item.banner}, economy ", element("code", item.economy[:12]), f" ({force})"),
        element("p", verdict),
        _figure(charts.rarities(item), key) if drawn else "",
        rarities,
        element("details", element("summary", "Items"), items),
    )


def _verdict(p_value: float | None) -> Html:
    if p_value is None:
        return join("too few to test")
    text = f"p = {p_value:.3f}" if p_value >= 0.001 else f"p = {p_value:.1e}"
    if p_value < ALARM_P:
        return element("strong", f"{text}: does not fit what is disclosed", class_="alarm")
    return element("span", f"{text}: fits what is disclosed", class_="good")


def _returns(figures: Figures) -> Html:
    items = figures.rtp.items
    if not items:
        return _NOTHING
    key = element(
        "figcaption",
        element(
            "span",
            "paid of what was staked; in 95 of 100 cases the true figure lies on the line",
            class_="second",
        ),
        element("span", "disclosed"),
        class_="key",
    )
    return join(
        _figure(charts.returns(items), key),
        table(
            "By game and economy; rounds without a bet are left out",
            ["Game", "Economy", "Rounds", "Staked", "Paid", "Return", "95 % interval", "Disclosed"],
            [
                [item.game, item.economy[:12], f"{item.rounds:,}", f"{item.staked:,}", f"{item.paid:,}",
                 _percent(item.rtp), _interval(item.low, item.high), _percent(item.disclosed)]
                for item in items
            ],
        ),
    )  # fmt: skip


def _crash(figures: Figures) -> Html:
    points = figures.crash
    if not points.rounds:
        return _NOTHING
    key = element(
        "figcaption", element("span", "observed"), element("span", "expected", class_="second"), class_="key"
    )
    return join(
        element("p", "A round reaches m with the probability 0.99 / m. ", _verdict(points.p_value), "."),
        _figure(charts.crash(points), key),
        table(
            f"{points.rounds:,} rounds by where they crashed, or would have",
            ["Crash point", "Observed", "Expected"],
            [
                [charts.bin_name(each.low, each.high), f"{each.observed:,}", f"{each.expected:,.1f}"]
                for each in points.bins
            ],
        ),
    )


def _funnel(figures: Figures) -> Html:
    stages = figures.funnel
    first = stages[0].count
    return join(
        element("p", "Different players; each was at the stages before in this order."),
        _figure(charts.funnel(stages)) if first else "",
        table(
            "Players by stage",
            ["Stage", "Players", "Of the first stage"],
            [
                [stage.stage, f"{stage.count:,}", _percent(stage.count / first) if first else "–"]
                for stage in stages
            ],
        ),
    )


def _retention(figures: Figures) -> Html:
    cohorts = figures.retention.items
    if not cohorts:
        return element("p", "Nobody came for the first time in these days.", class_="soft")
    return join(
        element("p", "By the day of a player's first event. A day that is not over yet has no figure."),
        _figure(charts.retention(cohorts)) if any(cohort.d1 for cohort in cohorts) else "",
        table(
            "New players, and those of them who came back",
            ["Day", "Players", "After 1 day", "After 7 days", "After 30 days"],
            [
                [str(cohort.day), f"{cohort.players:,}", *map(_returned, (cohort.d1, cohort.d7, cohort.d30))]
                for cohort in cohorts
            ],
        ),
    )


def _sinks(figures: Figures) -> Html:
    return join(
        element("p", f"Events that a sink has not taken yet, at {_time(figures.made_at, figures.zone)}."),
        _figure(charts.lags(figures.sinks)),
        table(
            "By sink",
            ["Sink", "Events", "Age of the oldest"],
            [[sink.sink, f"{sink.events:,}", f"{sink.seconds:,.1f} s"] for sink in figures.sinks],
        ),
    )


def _figure(drawing: Html, key: Html | str = "") -> Html:
    """A drawing that is scrolled where the screen is narrow, with the keyboard too."""
    return element("figure", element("div", drawing, class_="drawing", tabindex="0"), key)


def _returned(returned: Returned | None) -> str:
    return "–" if returned is None else f"{returned.players:,} ({100 * returned.share:.0f} %)"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{_percent(low)} to {_percent(high)}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _time(at: datetime.datetime, zone: str) -> str:
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
