"""What a player can read back from Postgres."""

import datetime

import asyncpg
import pytest

from croupier.clock import utc
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.history import HISTORY, LEDGER, daily_remaining, history, ledger
from croupier.query import Sources
from croupier_schemas.wallet import HistoryQuery, LedgerQuery
from tests.sync.support import Casino

ME, SOMEBODY = 1, 2
PULLS = 7


def _caller(uid: int) -> Caller:
    return Caller(uid, "STANDARD", "user", bytes(16))


@pytest.fixture
async def sources(casino: Casino, pool: asyncpg.Pool) -> Sources:
    """A player with seven pulls, the last one in gems, among those of somebody else."""
    async with casino.daemon():
        await casino.until_open()
        for index in range(PULLS):
            await casino.pull(ME, banner="festival", gems=index == PULLS - 1)
            await casino.pull(SOMEBODY)
        await casino.until_caught_up()
    return Sources(casino.engine, pool)


async def test_given_pulls_when_history_is_asked_for_then_ones_own_come_newest_first(
    sources: Sources, casino: Casino
) -> None:
    reply = await history(sources, _caller(ME), HistoryQuery())
    log = await casino.log()
    mine = [event for event in log if event.header.uid == ME]
    assert reply.total == PULLS
    assert [item.event_id for item in reply.items] == [str(event.id) for event in reversed(mine)]
    assert [item.created_at for item in reply.items] == [utc(event.ts_ms) for event in reversed(mine)]
    assert {(item.game_type, item.action_type) for item in reply.items} == {("gacha", "pull")}
    assert (reply.items[0].delta_coin, reply.items[0].delta_gem) == (0, -50)
    assert reply.items[0].result_meta["banner"] == "festival"
    assert reply.next_cursor is None
    assert reply.as_of == utc(log[-1].ts_ms)


@pytest.mark.parametrize("limit", [1, 2, 3, PULLS - 1, PULLS, PULLS + 1])
async def test_given_pages_of_any_size_when_followed_by_cursor_then_nothing_is_missed_or_repeated(
    sources: Sources, limit: int
) -> None:
    expected = await history(sources, _caller(ME), HistoryQuery())
    lines = await ledger(sources, _caller(ME), LedgerQuery())
    cursor, items, seen = None, [], []
    while True:
        page = await history(sources, _caller(ME), HistoryQuery(limit=limit, cursor=cursor))
        assert len(page.items) <= limit
        items += page.items
        if (cursor := page.next_cursor) is None:
            break
    while True:
        entries = await ledger(sources, _caller(ME), LedgerQuery(limit=limit, cursor=cursor))
        seen += entries.items
        if (cursor := entries.next_cursor) is None:
            break
    assert items == expected.items
    assert seen == lines.items
    assert len(seen) == PULLS + 2


async def test_given_an_offset_when_history_is_asked_for_then_that_many_are_left_out(
    sources: Sources,
) -> None:
    everything = await history(sources, _caller(ME), HistoryQuery())
    page = await history(sources, _caller(ME), HistoryQuery(offset=2, limit=3))
    assert page.items == everything.items[2:5]
    assert page.total == PULLS
    beyond = await history(sources, _caller(ME), HistoryQuery(offset=10_000))
    assert (beyond.items, beyond.total, beyond.next_cursor) == ([], PULLS, None)


async def test_given_a_game_and_a_time_when_history_is_asked_for_then_only_those_rounds_are_in_it(
    sources: Sources,
) -> None:
    everything = await history(sources, _caller(ME), HistoryQuery())
    assert await history(sources, _caller(ME), HistoryQuery(game_type="gacha")) == everything
    other_game = await history(sources, _caller(ME), HistoryQuery(game_type="crash"))
    assert (other_game.items, other_game.total) == ([], 0)
    middle = everything.items[3].created_at
    since = await history(sources, _caller(ME), HistoryQuery(since=middle))
    assert since.items == [item for item in everything.items if item.created_at >= middle]
    assert since.total == len(since.items)


@pytest.mark.parametrize("year", [1, 1969, 2500, 9999])
async def test_given_a_time_far_away_when_history_is_asked_for_then_it_is_answered(
    sources: Sources, year: int
) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=14 if year < 2000 else -14))
    since = datetime.datetime(year, 12 if year > 1 else 1, 31 if year > 1 else 1, tzinfo=zone)
    reply = await history(sources, _caller(ME), HistoryQuery(since=since))
    assert reply.total == (PULLS if year < 2000 else 0)


async def test_given_the_ledger_when_asked_for_then_each_line_leads_to_the_next_balance(
    sources: Sources,
) -> None:
    reply = await ledger(sources, _caller(ME), LedgerQuery())
    assert reply.total == PULLS + 2
    assert [entry.type for entry in reply.items[-3:]] == ["gacha.pulled", "player.created", "player.created"]
    tokens = await ledger(sources, _caller(ME), LedgerQuery(currency="tokens"))
    gems = await ledger(sources, _caller(ME), LedgerQuery(currency="gems"))
    assert (tokens.total, gems.total) == (PULLS, 2)
    for page in (tokens, gems):
        for newer, older in zip(page.items, page.items[1:], strict=False):
            assert newer.balance_after == older.balance_after + newer.delta
    assert gems.items[0].balance_after == 10**6 - 50


async def test_given_a_player_without_rounds_when_asked_then_the_lists_are_empty_and_say_of_when(
    sources: Sources, casino: Casino
) -> None:
    last = (await casino.log())[-1]
    reply = await history(sources, _caller(99), HistoryQuery())
    assert (reply.total, reply.items, reply.next_cursor, reply.as_of) == (0, [], None, utc(last.ts_ms))
    entries = await ledger(sources, _caller(99), LedgerQuery())
    assert (entries.total, entries.items, entries.next_cursor, entries.as_of) == (
        0,
        [],
        None,
        utc(last.ts_ms),
    )


async def test_given_nothing_followed_yet_when_asked_then_as_of_is_when_the_installation_was_made(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    reply = await history(Sources(casino.engine, pool), _caller(ME), HistoryQuery())
    made = await casino.connection.fetchval("SELECT created_at FROM installation")
    assert reply.total == 0
    assert abs((reply.as_of - made).total_seconds()) < 0.001


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "AAAA",
        "A" * 24 + "=",
        "0-1-42",
        "/" * 24,
        "_" * 24,
        "AAAAAAAAAAEAAAAAAAAAAg A",
        "ключ" * 6,
        "A" * 64,
    ],
)
async def test_given_a_cursor_that_is_none_when_asked_then_refused_with_the_field(
    casino: Casino, pool: asyncpg.Pool, cursor: str
) -> None:
    sources = Sources(casino.engine, pool)
    for refused in (
        history(sources, _caller(ME), HistoryQuery(cursor=cursor)),
        ledger(sources, _caller(ME), LedgerQuery(cursor=cursor)),
    ):
        with pytest.raises(CroupierError) as caught:
            await refused
        assert caught.value.code == "VALIDATION_ERROR"
        assert caught.value.fields["details"] == {
            "field": "cursor",
            "allowed": "`next_cursor` of the page before",
            "received": cursor,
        }


async def test_given_a_time_without_zone_when_asked_then_refused_with_the_field(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    naive = datetime.datetime(2026, 1, 1)  # noqa: DTZ001 - that is the case
    with pytest.raises(CroupierError, match="VALIDATION_ERROR") as caught:
        await history(Sources(casino.engine, pool), _caller(ME), HistoryQuery(since=naive))
    assert caught.value.fields["details"]["field"] == "since"  # type: ignore[index]


async def test_given_no_postgres_or_one_that_is_away_when_asked_then_not_ready(
    casino: Casino, database_url: str
) -> None:
    pool = await asyncpg.create_pool(database_url, min_size=0)
    await pool.close()
    for sources in (Sources(casino.engine, None), Sources(casino.engine, pool)):
        with pytest.raises(CroupierError, match="NOT_READY"):
            await history(sources, _caller(ME), HistoryQuery())


async def test_given_players_of_several_tiers_when_summed_then_what_is_left_today_is_by_tier(
    casino: Casino, pool: asyncpg.Pool
) -> None:
    async with casino.daemon():
        await casino.until_open()
        standard = [await casino.pull(uid) for uid in (1, 2)]
        vip = await casino.pull(3, tier="VIP")
        await casino.until_caught_up()
    today = casino.engine.zone.day(casino.engine.now_ms()).number
    assert await daily_remaining(pool, today) == {
        "STANDARD": sum(reply.daily_remaining for reply in standard),
        "VIP": vip.daily_remaining,
    }
    assert await daily_remaining(pool, today - 1) == {}


def test_given_the_declarations_when_read_then_they_are_where_the_contract_says() -> None:
    assert (HISTORY.name, HISTORY.path) == ("games.history", "/api/games/history")
    assert (LEDGER.name, LEDGER.path) == ("wallet.ledger", "/api/wallet/ledger")
