"""The questions to ClickHouse: each figure is the one that a recount of the event log gives."""

import datetime
from collections import Counter

import pytest

from croupier.admin.observed import ObservedPulls, Round
from croupier.analytics.activity import activity
from croupier.analytics.crash_points import crash_points
from croupier.analytics.funnel import funnel
from croupier.analytics.odds import odds
from croupier.analytics.retention import retention
from croupier.analytics.rtp import rtp
from croupier.clock import utc
from croupier.economy import version
from croupier.query import Sources
from croupier_schemas.analytics import FunnelQuery, OddsQuery, RetentionQuery, RtpQuery
from tests.analytics import recount
from tests.analytics.town import DAYS, ECONOMIES, NOW_MS, SECOND, Played
from tests.commands.world import caller

ADMIN = caller(1, role="admin")
TODAY = datetime.datetime.fromtimestamp(NOW_MS / 1000, recount.ZONE).date()
BY_VERSION = {version(economy): economy for economy in ECONOMIES}


@pytest.mark.parametrize("days", [1, 3, 90])
async def test_given_reports_and_purchases_when_the_funnel_is_asked_for_then_players_count_in_order(
    sources: Sources, played: Played, days: int
) -> None:
    stages = await funnel(sources, ADMIN, FunnelQuery(days))

    assert [stage.stage for stage in stages] == ["open_shop", "buy_click", "buy_success"]
    counts = [stage.count for stage in stages]
    assert counts == recount.funnel(recount.since(played.events, TODAY, days))
    assert counts[0] > counts[1] > counts[2] > 0
    newest = max(event.ts_ms for event in played.events)
    assert {stage.as_of for stage in stages} == {utc(newest)}


@pytest.mark.parametrize("days", [3, 7, 90])
async def test_given_pulls_under_two_economies_when_odds_are_asked_for_then_the_model_counts_and_expects_the_same(
    sources: Sources, played: Played, days: int
) -> None:
    reply = await odds(sources, ADMIN, OddsQuery(days))

    events = recount.since(played.events, TODAY, days)
    pulled = {
        (banner, economy)
        for economy in BY_VERSION
        for banner in ("main", "plain")
        if recount.draws(events, banner, economy).pulls
    }
    assert {(item.banner, item.economy) for item in reply.items} == pulled
    for item in reply.items:
        known = recount.draws(events, item.banner, item.economy)
        assert (item.pulls, item.draws) == (known.pulls, sum(known.drawn.values()))
        assert item.in_force is (item.economy == version(SECOND))
        for rarity in item.rarities:
            assert rarity.observed == known.drawn[rarity.rarity]
            assert rarity.expected == pytest.approx(known.expected[rarity.rarity])
            for drawn in rarity.items:
                place = rarity.rarity, drawn.id
                assert drawn.observed == known.items[place]
                assert drawn.expected == pytest.approx(known.expected_items[place])
        by_itself = ObservedPulls(BY_VERSION[item.economy].gacha.banners[item.banner])
        for result in known.results:
            by_itself.add(Round(terms=b"", result=result, changes=b""))
        test = by_itself.tallies()["Rarity"].compared()
        assert item.p_value == pytest.approx(test.p_value)
        assert item.chi_square == pytest.approx(test.chi_square)
        assert item.p_value is not None and item.p_value > 1e-6
        assert item.items_p_value is not None and item.items_p_value > 1e-6


async def test_given_a_banner_when_its_odds_are_asked_for_then_no_other_is_in_the_answer(
    sources: Sources,
) -> None:
    reply = await odds(sources, ADMIN, OddsQuery(90, "plain"))

    assert {item.banner for item in reply.items} == {"plain"}
    assert reply.total == len(reply.items) == 2


@pytest.mark.parametrize("days", [1, 7, 90])
async def test_given_rounds_when_the_return_is_asked_for_then_sums_and_interval_are_those_of_the_log(
    sources: Sources, played: Played, days: int
) -> None:
    reply = await rtp(sources, ADMIN, RtpQuery(days))

    known: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for game, economy, bet, payout in recount.rounds(recount.since(played.events, TODAY, days)):
        known.setdefault((game, economy), []).append((bet, payout))
    assert {(item.game, item.economy) for item in reply.items} == set(known)
    for item in reply.items:
        rounds = known[item.game, item.economy]
        staked, paid = sum(bet for bet, _ in rounds), sum(payout for _, payout in rounds)
        assert (item.rounds, item.staked, item.paid) == (len(rounds), staked, paid)
        ratio = paid / staked
        variance = (
            sum((payout - ratio * bet) ** 2 for bet, payout in rounds) * len(rounds) / (len(rounds) - 1)
        )
        margin = 1.959964 * variance**0.5 / staked
        assert item.rtp == pytest.approx(ratio)
        assert item.high == pytest.approx(ratio + margin, rel=1e-4)
        assert item.low == pytest.approx(max(0.0, ratio - margin), rel=1e-4, abs=1e-9)
    disclosed = {(item.game, item.economy): item.disclosed for item in reply.items}
    assert disclosed["rps", version(SECOND)] == pytest.approx((1.8 + 1) / 3)
    assert disclosed["crash", version(SECOND)] == pytest.approx(0.99)


@pytest.mark.parametrize("days", [5, DAYS, 90])
async def test_given_visits_when_retention_is_asked_for_then_cohorts_are_those_of_the_log(
    sources: Sources, played: Played, days: int
) -> None:
    reply = await retention(sources, ADMIN, RetentionQuery(days))

    visits = recount.days_played(played.events)
    first = TODAY - datetime.timedelta(days=days - 1)
    cohorts = Counter(min(days_of) for days_of in visits.values() if min(days_of) >= first)
    assert {cohort.day: cohort.players for cohort in reply.items} == cohorts
    assert [cohort.day for cohort in reply.items] == sorted(cohorts)
    for cohort in reply.items:
        for after, returned in ((1, cohort.d1), (7, cohort.d7), (30, cohort.d30)):
            day = cohort.day + datetime.timedelta(days=after)
            came = sum(day in each for each in visits.values() if min(each) == cohort.day)
            if day >= TODAY:
                assert returned is None
            else:
                assert returned is not None
                assert (returned.players, returned.share) == (came, came / cohort.players)


@pytest.mark.parametrize("days", [7, 14])
async def test_given_rounds_when_activity_is_asked_for_then_each_hour_is_that_of_the_log(
    sources: Sources, played: Played, days: int
) -> None:
    hours = await activity(sources, days)

    known: dict[datetime.datetime, Counter[str]] = {}
    for event in recount.since(played.events, TODAY, days):
        if amounts := recount.amounts(event):
            began = utc(event.ts_ms - event.ts_ms % 3_600_000)
            known.setdefault(began, Counter()).update(amounts)
    assert [hour.hour for hour in hours] == sorted(known)
    for hour in hours:
        counted = known[hour.hour]
        assert (hour.pulls, hour.draws) == (counted["pulls"], counted["draws"])
        assert (hour.staked, hour.paid) == (counted["staked"], counted["paid"])


async def test_given_crash_rounds_when_their_points_are_asked_for_then_they_are_those_of_the_log_and_fit_the_law(
    sources: Sources, played: Played
) -> None:
    points = await crash_points(sources, 90)

    known = recount.crash_points(played.events)
    assert points.rounds == len(known) == sum(each.observed for each in points.bins)
    for each in points.bins:
        assert each.observed == sum(each.low <= point < (each.high or 2_000) for point in known)
        chance = (0.99 / each.low if each.low > 1 else 1.0) - (0.99 / each.high if each.high else 0.0)
        assert each.expected == pytest.approx(points.rounds * chance)
    assert points.p_value is not None and points.p_value > 1e-6
