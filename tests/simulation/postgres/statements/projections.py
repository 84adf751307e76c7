"""Rows of projections, and the dead letters. What is only appended comes by COPY."""

from decimal import Decimal
from typing import Any

from croupier_sync import dead_letters, projector, tables
from tests.simulation.postgres.schema import Row
from tests.simulation.postgres.session import View
from tests.simulation.postgres.statements.registry import answers, picked, upsert, zipped


@answers(tables._INSERT_ECONOMIES)
def insert_economies(view: View, versions: list[str], canonicals: list[bytes]) -> list[Row]:
    for row in zipped("version canonical", versions, canonicals):
        view.rows.insert_unless_there("economy_versions", row)
    return []


@answers(projector._ECONOMIES)
def economies(view: View, versions: list[str]) -> list[Row]:
    found = [view.rows.get("economy_versions", (version,)) for version in dict.fromkeys(versions)]
    return [picked(row, "version", "canonical") for row in found if row is not None]


@answers(tables._UPSERT_DAILY)
def upsert_daily(view: View, *columns: list[Any]) -> list[Row]:
    def replaced(held: Row, new: Row) -> Row | None:
        older = (held["epoch"], held["seq"]) < (new["epoch"], new["seq"])
        return picked(new, "tier", "remaining", "epoch", "seq") if older else None

    return upsert(view, "gacha_daily", zipped("day uid tier remaining epoch seq", *columns), replaced)


@answers(tables._ADD_POOLS)
def add_pools(view: View, *columns: list[Any]) -> list[Row]:
    def added(held: Row, new: Row) -> Row:
        newest = max(held, new, key=lambda row: (row["epoch"], row["seq"]))
        sums = {name: held[name] + new[name] for name in ("drawn", "added")}
        return {**sums, **picked(newest, "remaining", "epoch", "seq")}

    names = "partition banner rarity hour remaining drawn added epoch seq"
    return upsert(view, "pool_hours", zipped(names, *columns), added)


@answers(tables._ADD_STATS)
def add_stats(view: View, *columns: list[Any]) -> list[Row]:
    names = "uid game_type rounds wins losses total_bet total_win biggest_win last_played_at"

    def added(held: Row, new: Row) -> Row:
        sums = {
            name: held[name] + new[name] for name in ("rounds", "wins", "losses", "total_bet", "total_win")
        }
        greatest = {name: max(held[name], new[name]) for name in ("biggest_win", "last_played_at")}
        return {**sums, **greatest}

    return upsert(view, "game_stats", zipped(names, *columns), added)


@answers(tables._UPSERT_CRASH)
def upsert_crash(view: View, *columns: list[Any]) -> list[Row]:
    names = (
        "external_session_id uid status bet_amount auto_cashout cashout_multiplier crash_multiplier payout_amount"
        " started_at cashed_out_at"
    )
    rows = zipped(names, *columns)
    for row in rows:
        for name in ("auto_cashout", "cashout_multiplier", "crash_multiplier"):
            row[name] = None if row[name] is None else Decimal(row[name]).scaleb(-2)

    def replaced(held: Row, new: Row) -> Row | None:
        ends = ("status", "cashout_multiplier", "crash_multiplier", "payout_amount", "cashed_out_at")
        return picked(new, *ends) if held["status"] == "active" else None

    return upsert(view, "crash_sessions", rows, replaced)


@answers(tables._UPSERT_SESSIONS)
def upsert_sessions(view: View, *columns: list[Any]) -> list[Row]:
    def replaced(held: Row, new: Row) -> Row | None:
        return picked(new, "ended_at", "rounds", "bet", "win") if held["ended_at"] is None else None

    names = "session_id uid game_type started_at ended_at rounds bet win"
    return upsert(view, "game_sessions", zipped(names, *columns), replaced)


@answers(projector._INSERT_FAILURES)
def insert_failures(view: View, *columns: list[Any]) -> list[Row]:
    for row in zipped("partition epoch seq projection error", *columns):
        view.rows.insert("projection_failures", row)
    return []


@answers(dead_letters._LIST)
def list_dead_letters(view: View) -> list[Row]:
    names = ("partition", "epoch", "seq", "projection", "error", "created_at", "replays")
    return sorted(
        (picked(row, *names) for row in view.rows.rows("projection_failures")),
        key=lambda row: (row["epoch"], row["seq"], row["partition"], row["projection"]),
    )


@answers(dead_letters._TAKE_TURN)
def take_turn(view: View, partition: int) -> list[Row]:
    if view.rows.get("partitions", (partition,)) is None:
        return []
    view.rows.lock("partitions", (partition,))
    return [{"?column?": 1}]


@answers(dead_letters._REMOVE)
def remove_dead_letter(view: View, *place: Any) -> list[Row]:
    row = view.rows.get("projection_failures", place)
    if row is None:
        return []
    view.rows.delete("projection_failures", row)
    return [{"?column?": True}]


@answers(dead_letters._FAILED_AGAIN)
def failed_again(view: View, partition: int, epoch: int, seq: int, projection: str, error: str) -> list[Row]:
    row = view.rows.get("projection_failures", (partition, epoch, seq, projection))
    if row is not None:
        view.rows.update("projection_failures", row, {"error": error, "replays": row["replays"] + 1})
    return []
