"""The report's page: every figure stands in it as text, and it asks nobody for anything."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from croupier.analytics.activity import activity
from croupier.analytics.crash_points import crash_points
from croupier.analytics.funnel import funnel
from croupier.analytics.odds import odds
from croupier.analytics.retention import retention
from croupier.analytics.rtp import rtp
from croupier.clock import utc
from croupier.query import Sources
from croupier_cli.report.figures import Figures
from croupier_cli.report.markup import element, join, table
from croupier_cli.report.page import page
from croupier_schemas.admin import SinkLag
from croupier_schemas.analytics import FunnelQuery, OddsQuery, RetentionQuery, RtpQuery
from tests.analytics.test_questions import ADMIN
from tests.analytics.town import NOW_MS


class Page(HTMLParser):
    """What is in a page: its text, ids, tables, and whether all that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.cells: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open and self._open[-1] in ("td", "th"):
            self.cells.append(data)


async def figures_of(sources: Sources, days: int) -> Figures:
    """What `croupier report` gathers, but for the sinks."""
    return Figures(
        made_at=utc(NOW_MS),
        days=days,
        zone=sources.engine.settings.day_zone,
        as_of=utc(NOW_MS),
        hours=await activity(sources, days),
        odds=await odds(sources, ADMIN, OddsQuery(days)),
        rtp=await rtp(sources, ADMIN, RtpQuery(days)),
        crash=await crash_points(sources, days),
        retention=await retention(sources, ADMIN, RetentionQuery(days)),
        funnel=await funnel(sources, ADMIN, FunnelQuery(days)),
        sinks=[SinkLag("postgres", 0, 0.0), SinkLag("kafka", 120, 1.5), SinkLag("clickhouse", 5_200, 42.0)],
    )


def require_self_contained(text: str) -> None:
    """Nothing in it names another place, and the browser is told to ask none."""
    assert "Content-Security-Policy" in text and "default-src 'none'" in text
    found = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "image"} & set(found.names)
    addresses = [value for name, value in found.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(address.startswith("#") for address in addresses)
    assert not re.search(r"https?://|//[a-z]|@import|url\((?!#)", text)


async def test_given_40_days_when_the_page_is_made_then_every_figure_of_the_questions_is_in_it(
    sources: Sources,
) -> None:
    figures = await figures_of(sources, 40)

    text = page(figures)

    require_self_contained(text)
    found = Page(text)
    assert len(found.ids) == len(set(found.ids))
    cells = set(found.cells)
    for banner in figures.odds.items:
        for rarity in banner.rarities:
            assert {rarity.rarity, f"{rarity.observed:,}", f"{rarity.expected:,.1f}"} <= cells
            assert {item.id for item in rarity.items} <= cells
    for game in figures.rtp.items:
        assert {game.game, f"{game.staked:,}", f"{game.paid:,}", f"{100 * game.rtp:.2f} %"} <= cells
    assert {f"{each.observed:,}" for each in figures.crash.bins} <= cells
    assert {str(cohort.day) for cohort in figures.retention.items} <= cells
    assert {f"{stage.count:,}" for stage in figures.funnel} <= cells
    assert {"postgres", "kafka", "clickhouse", "5,200", "42.0 s"} <= cells
    assert f"{sum(hour.staked for hour in figures.hours):,}" in found.text
    # A drawing for each section, and for each banner; each says in words what it shows.
    assert found.names.count("svg") == 6 + len(figures.odds.items)
    assert found.names.count("desc") == found.names.count("svg")


async def test_given_odds_that_are_off_when_the_page_is_made_then_it_says_so(sources: Sources) -> None:
    figures = await figures_of(sources, 40)
    sound = page(figures)
    first = msgspec.structs.replace(figures.odds.items[0], p_value=1e-9)
    items = [first, *figures.odds.items[1:]]
    off = page(msgspec.structs.replace(figures, odds=msgspec.structs.replace(figures.odds, items=items)))

    assert "p = 1.0e-09" in off and 'class="alarm"' in off
    assert 'class="alarm"' not in sound


async def test_given_nothing_that_was_played_when_the_page_is_made_then_it_says_so(sources: Sources) -> None:
    some = await figures_of(sources, 1)
    nothing = msgspec.structs.replace(
        some,
        as_of=None,
        hours=[],
        odds=msgspec.structs.replace(some.odds, total=0, items=[]),
        rtp=msgspec.structs.replace(some.rtp, total=0, items=[]),
        crash=msgspec.structs.replace(some.crash, rounds=0),
        retention=msgspec.structs.replace(some.retention, total=0, items=[]),
        funnel=[msgspec.structs.replace(stage, count=0) for stage in some.funnel],
    )

    text = page(nothing)

    require_self_contained(text)
    assert text.count("Nothing was played in these days.") == 4


@pytest.mark.parametrize("text", ["<script>", "a & b", '"quoted"', "'"])
def test_given_text_with_markup_when_it_becomes_html_then_it_is_escaped(text: str) -> None:
    written = join(element("p", text, title=text), table(text, [text], [[text]]))

    assert "<script>" not in written
    found = Page(written)
    assert found.text == text * 4
    assert ("title", text) in found.attributes
