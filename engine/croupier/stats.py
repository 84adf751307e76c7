"""What players' rounds come to, from Postgres. `as_of` as in `croupier.paging`."""

from collections.abc import Sequence

import asyncpg
import msgspec

from croupier.clock import utc
from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.paging import AS_OF, QUERY_TIMEOUT_S
from croupier.partition import PARTITIONS
from croupier.postgres import asking_postgres
from croupier.query import NoParams, Query, Sources
from croupier_schemas.economy import GAMES
from croupier_schemas.stats import (
    GameStatsQuery,
    GameStatsReply,
    RoundStats,
    UserStatsQuery,
    UserStatsReply,
)

# One statement, so that the games and `as_of` are of one moment. It has a row per game, played or not.
_STATS = f"""
SELECT {AS_OF}, game.game_type, coalesce(rounds, 0) AS rounds, coalesce(wins, 0) AS wins,
  coalesce(losses, 0) AS losses, coalesce(total_bet, 0) AS total_bet, coalesce(total_win, 0) AS total_win,
  coalesce(biggest_win, 0) AS biggest_win, last_played_at
FROM unnest($3::text[]) AS game (game_type)
LEFT JOIN game_stats ON game_stats.game_type = game.game_type AND uid = $2
"""


async def game_stats(sources: Sources, caller: Caller, params: GameStatsQuery) -> GameStatsReply:
    """The caller's rounds of one game. Raises CroupierError NOT_READY."""
    rows = await _rows(sources, caller.uid)
    (row,) = (row for row in rows if row["game_type"] == params.game_type)
    stats = msgspec.structs.asdict(_sum([row]))
    return GameStatsReply(game_type=params.game_type, as_of=utc(row["as_of_ms"]), **stats)


async def user_stats(sources: Sources, caller: Caller, params: UserStatsQuery) -> UserStatsReply:
    """A player's rounds of all games. Raises CroupierError FORBIDDEN for somebody else's, but to admins; NOT_READY."""
    if params.user_id != caller.uid and caller.role != "admin":
        raise CroupierError("FORBIDDEN")
    return await _all_games(sources, params.user_id)


async def profile_stats(sources: Sources, caller: Caller, _params: NoParams) -> UserStatsReply:
    """The caller's rounds of all games. Raises CroupierError NOT_READY."""
    return await _all_games(sources, caller.uid)


async def _all_games(sources: Sources, uid: int) -> UserStatsReply:
    rows = await _rows(sources, uid)
    return UserStatsReply(
        user_id=uid,
        games={row["game_type"]: _sum([row]) for row in rows},
        as_of=utc(rows[0]["as_of_ms"]),
        **msgspec.structs.asdict(_sum(rows)),
    )


async def _rows(sources: Sources, uid: int) -> list[asyncpg.Record]:
    """One row per game, in the order of `GAMES`."""
    with asking_postgres():
        rows = await sources.pool.fetch(_STATS, uid % PARTITIONS, uid, GAMES, timeout=QUERY_TIMEOUT_S)
    return sorted(rows, key=lambda row: GAMES.index(row["game_type"]))


def _sum(rows: Sequence[asyncpg.Record]) -> RoundStats:
    total_bet, total_win = (sum(row[name] for row in rows) for name in ("total_bet", "total_win"))
    played = [row["last_played_at"] for row in rows if row["last_played_at"] is not None]
    return RoundStats(
        rounds=sum(row["rounds"] for row in rows),
        wins=sum(row["wins"] for row in rows),
        losses=sum(row["losses"] for row in rows),
        total_bet=total_bet,
        total_win=total_win,
        net=total_win - total_bet,
        biggest_win=max(row["biggest_win"] for row in rows),
        last_played_at=max(played, default=None),
    )


GAME_STATS = Query(
    name="games.stats",
    path="/api/games/{game_type}/stats",
    summary="What the caller's rounds of a game come to",
    params=GameStatsQuery,
    reply=GameStatsReply,
    answer=game_stats,
    without_redis=True,
)
USER_STATS = Query(
    name="games.user_stats",
    path="/api/games/stats/{user_id}",
    summary="What a player's rounds come to, in all games and in each",
    params=UserStatsQuery,
    reply=UserStatsReply,
    answer=user_stats,
    without_redis=True,
    errors=("FORBIDDEN",),
)
PROFILE_STATS = Query(
    name="profile.stats",
    path="/api/profile/stats",
    summary="What the caller's rounds come to, in all games and in each",
    params=NoParams,
    reply=UserStatsReply,
    answer=profile_stats,
    without_redis=True,
)
