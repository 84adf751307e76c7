"""Statistics as players and admins ask for them, on real servers with the daemon behind them."""

from random import Random

import asyncpg
import pytest
from msgspec.structs import asdict

from croupier.clock import utc
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.query import NoParams, Sources
from croupier.stats import game_stats, profile_stats, user_stats
from croupier_schemas.economy import GAMES
from croupier_schemas.events import Event
from croupier_schemas.stats import GameStatsQuery, RoundStats, UserStatsQuery
from tests.sync.play import Players
from tests.sync.recount import recount
from tests.sync.support import Casino

ME, SOMEBODY, NOBODY = 1, 2, 77


def _caller(uid: int, role: str = "user") -> Caller:
    return Caller(uid, "STANDARD", role, bytes(16))


@pytest.fixture
async def sources(casino: Casino, pool: asyncpg.Pool) -> Sources:
    """Two players with rounds of all games, all of them in Postgres."""
    async with casino.daemon():
        await casino.until_open()
        players, rng = Players(casino, pool), Random(5)
        for index in range(80):
            await players.play(rng, ME if index % 2 else SOMEBODY)
        await casino.until_caught_up()
    return Sources(casino.engine, pool)


def _counted(log: list[Event], uid: int) -> dict[str, RoundStats]:
    """The player's statistics by game, from the events."""
    nothing = RoundStats(
        rounds=0, wins=0, losses=0, total_bet=0, total_win=0, net=0, biggest_win=0, last_played_at=None
    )
    sums = recount(log)
    return {
        game: RoundStats(**found, net=found["total_win"] - found["total_bet"])
        if (found := sums.get((uid, game)))
        else nothing
        for game in GAMES
    }


async def test_given_rounds_when_asked_for_then_each_game_and_their_sum_are_what_the_events_say(
    sources: Sources, casino: Casino
) -> None:
    log = await casino.log()
    games = _counted(log, ME)

    reply = await profile_stats(sources, _caller(ME), NoParams())

    assert reply.games == games
    assert reply.user_id == ME
    each = games.values()
    assert {name: getattr(reply, name) for name in asdict(games["slot"])} == {
        "rounds": sum(game.rounds for game in each),
        "wins": sum(game.wins for game in each),
        "losses": sum(game.losses for game in each),
        "total_bet": sum(game.total_bet for game in each),
        "total_win": sum(game.total_win for game in each),
        "net": sum(game.net for game in each),
        "biggest_win": max(game.biggest_win for game in each),
        "last_played_at": max(game.last_played_at for game in each if game.last_played_at),
    }
    assert reply.as_of == utc(log[-1].ts_ms)


async def test_given_rounds_when_one_game_is_asked_for_then_it_is_as_among_all(sources: Sources) -> None:
    every = await profile_stats(sources, _caller(ME), NoParams())

    for game in ("crash", "slot", "rps"):
        reply = await game_stats(sources, _caller(ME), GameStatsQuery(game))
        assert (reply.game_type, reply.as_of) == (game, every.as_of)
        found = every.games[reply.game_type]
        assert {name: getattr(reply, name) for name in asdict(found)} == asdict(found)
        assert found.rounds > 0


async def test_given_a_user_when_asked_for_then_only_oneself_and_admins_see_it(sources: Sources) -> None:
    mine = await user_stats(sources, _caller(ME), UserStatsQuery(ME))

    assert mine == await profile_stats(sources, _caller(ME), NoParams())
    assert await user_stats(sources, _caller(SOMEBODY, "admin"), UserStatsQuery(ME)) == mine
    with pytest.raises(CroupierError) as refused:
        await user_stats(sources, _caller(SOMEBODY), UserStatsQuery(ME))
    assert refused.value.code == "FORBIDDEN"


async def test_given_a_player_without_rounds_when_asked_for_then_all_is_zero(
    sources: Sources, casino: Casino
) -> None:
    reply = await profile_stats(sources, _caller(NOBODY), NoParams())

    assert reply.games == _counted(await casino.log(), NOBODY)
    assert (reply.rounds, reply.net, reply.last_played_at) == (0, 0, None)


async def test_given_a_server_without_postgres_when_asked_for_then_it_is_not_ready(casino: Casino) -> None:
    with pytest.raises(CroupierError) as refused:
        await profile_stats(Sources(casino.engine, None), _caller(ME), NoParams())
    assert refused.value.code == "NOT_READY"
