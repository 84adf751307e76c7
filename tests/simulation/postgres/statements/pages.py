"""Pages of what players did, their statistics, and the pulls that are left."""

import datetime
from typing import Any

from croupier import history, stats
from croupier.rewards import queries as rewards
from tests.simulation.postgres.schema import Row
from tests.simulation.postgres.session import View
from tests.simulation.postgres.statements.registry import answers, picked

_STATS = ("rounds", "wins", "losses", "total_bet", "total_win", "biggest_win")


def _as_of_ms(view: View, partition: int) -> int:
    row = view.rows.get("partitions", (partition,))
    if row is not None and row["ts_ms"] is not None:
        return int(row["ts_ms"])
    (installation,) = view.rows.rows("installation")
    created_at: datetime.datetime = installation["created_at"]
    return round(created_at.timestamp() * 1000)


def _page(
    view: View,
    partition: int,
    mine: list[Row],
    columns: tuple[str, ...],
    place: tuple[Any, ...],
    limit: int,
    offset: int = 0,
) -> list[Row]:
    """A page of these rows, the newest first: those before `place` (all, where its first part is None)."""
    keys = ("epoch", "seq", "line")[: len(place)]
    ordered = sorted(mine, key=lambda row: (row["epoch"], row["seq"], row.get("line", 0)), reverse=True)
    wanted = [row for row in ordered if place[0] is None or tuple(row[key] for key in keys) < place]
    head = {"total": len(mine), "as_of_ms": _as_of_ms(view, partition)}
    page = [{**head, **picked({"line": 0, **row}, *columns)} for row in wanted[offset : offset + limit]]
    return page or [{**head, **dict.fromkeys(columns)}]


@answers(history._HISTORY)
def history_page(
    view: View, partition: int, uid: int, game: str | None, since: Any, epoch: int | None, seq: int | None,
    limit: int, offset: int,
) -> list[Row]:  # fmt: skip
    mine = [
        row
        for row in view.rows.rows("game_history")
        if row["uid"] == uid
        and game in (None, row["game_type"])
        and (since is None or row["created_at"] >= since)
    ]
    columns = (
        "epoch", "seq", "line", "game_type", "action_type", "delta_coin", "delta_gem", "result_meta", "created_at",
    )  # fmt: skip
    return _page(view, partition, mine, columns, (epoch, seq), limit, offset)


@answers(history._LEDGER)
def ledger_page(
    view: View, partition: int, uid: int, currency: str | None, epoch: int | None, seq: int | None, line: int | None,
    limit: int,
) -> list[Row]:  # fmt: skip
    mine = [
        row
        for row in view.rows.rows("wallet_ledger")
        if row["uid"] == uid and currency in (None, row["currency"])
    ]
    columns = ("epoch", "seq", "line", "type", "currency", "delta", "balance_after", "created_at")
    return _page(view, partition, mine, columns, (epoch, seq, line), limit)


@answers(rewards._REWARDS)
def rewards_page(
    view: View, partition: int, uid: int, epoch: int | None, seq: int | None, limit: int, offset: int
) -> list[Row]:
    mine = [row for row in view.rows.rows("user_rewards") if row["uid"] == uid]
    columns = (
        "epoch", "seq", "line", "reward_type", "amount", "source_description", "key", "granted_by", "created_at",
    )  # fmt: skip
    return _page(view, partition, mine, columns, (epoch, seq), limit, offset)


@answers(stats._STATS)
def stats_of_games(view: View, partition: int, uid: int, games: list[str]) -> list[Row]:
    head = {"as_of_ms": _as_of_ms(view, partition)}
    answer: list[Row] = []
    for game in games:
        row = view.rows.get("game_stats", (uid, game)) or {**dict.fromkeys(_STATS, 0), "last_played_at": None}
        answer.append({**head, "game_type": game, **picked(row, *_STATS, "last_played_at")})
    return answer


@answers(history._DAILY_REMAINING)
def daily_remaining(view: View, day: int) -> list[Row]:
    sums: dict[str, int] = {}
    for row in view.rows.rows("gacha_daily"):
        if row["day"] == day:
            sums[row["tier"]] = sums.get(row["tier"], 0) + row["remaining"]
    return [{"tier": tier, "remaining": remaining} for tier, remaining in sums.items()]
