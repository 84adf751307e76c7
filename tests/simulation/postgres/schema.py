"""The tables: columns, keys and constraints, as the migrations make them. A test compares the two."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Row: TypeAlias = dict[str, Any]
"""A row by column, in the order of the table. Never changed in place: transactions share rows."""

Key: TypeAlias = tuple[Any, ...]

NOW: Final = object()
"""A default: the time at which the transaction began."""


@dataclass(frozen=True)
class Unique:
    """A unique index beside the primary key; rows for which `applies` is false are not in it."""

    name: str
    columns: tuple[str, ...]
    applies: Callable[[Row], bool]


@dataclass(frozen=True)
class Table:
    """A table. `defaults` are of columns that an INSERT may leave out; `nullable` ones are null then."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    nullable: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    unique: Sequence[Unique] = ()
    checks: Mapping[str, Callable[[Row], bool]] = field(default_factory=dict)

    def key_of(self, row: Mapping[str, Any]) -> Key:
        """The primary key of a row."""
        return tuple(row[column] for column in self.key)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PLACE: Final = ("partition", "epoch", "seq")

_ALL = (
    Table(
        "installation", _words("only_row id partitions created_at"), ("only_row",),
        defaults={"only_row": True, "created_at": NOW},
    ),
    Table(
        "partitions",
        _words("partition epoch seq op_id ts_ms taken_epoch taken_identity state reason detail since seen_at"),
        ("partition",),
        nullable=frozenset({"epoch", "seq", "op_id", "ts_ms", "seen_at"}),
        defaults={
            "taken_epoch": 0, "taken_identity": "", "state": "starting", "reason": "", "detail": "", "since": NOW,
        },
        checks={
            "partitions_check": lambda row: (
                sum(row[name] is None for name in ("epoch", "seq", "op_id", "ts_ms")) in (0, 4)
            ),
            "partitions_check1": lambda row: row["epoch"] is None or row["epoch"] <= row["taken_epoch"],
        },
    ),
    Table(
        "events",
        _words(
            "partition epoch seq ts_ms created type uid tier op_id idempotency_key request_hash economy rules terms"
            " result changes digest"
        ),
        _PLACE,
        nullable=frozenset({"digest"}),
    ),
    Table("mirror", _words("partition key field value epoch seq"), ("partition", "key", "field")),
    Table(
        "economy_versions", _words("version canonical first_seen_at"), ("version",), defaults={"first_seen_at": NOW}
    ),
    Table(
        "game_history",
        _words(
            "partition epoch seq uid game_type action_type delta_coin delta_gem result_meta created_at"
        ),
        _PLACE,
    ),
    Table(
        "wallet_ledger",
        _words("partition epoch seq line uid type currency delta balance_after created_at"),
        (*_PLACE, "line"),
        checks={
            "wallet_ledger_currency_check": lambda row: row["currency"] in ("tokens", "gems"),
            "wallet_ledger_delta_check": lambda row: row["delta"] != 0,
            "wallet_ledger_balance_after_check": lambda row: row["balance_after"] >= 0,
        },
    ),
    Table("gacha_daily", _words("day uid tier remaining epoch seq"), ("day", "uid")),
    Table(
        "pool_hours",
        _words("partition banner rarity hour remaining drawn added epoch seq"),
        ("partition", "banner", "rarity", "hour"),
    ),
    Table(
        "projection_failures",
        _words("partition epoch seq projection error created_at replays"),
        (*_PLACE, "projection"),
        defaults={"created_at": NOW, "replays": 0},
    ),
    Table(
        "game_stats",
        _words("uid game_type rounds wins losses total_bet total_win biggest_win last_played_at"),
        ("uid", "game_type"),
        checks={"game_stats_check": lambda row: row["wins"] + row["losses"] <= row["rounds"]},
    ),
    Table(
        "crash_sessions",
        _words(
            "external_session_id uid status bet_amount auto_cashout cashout_multiplier crash_multiplier payout_amount"
            " started_at cashed_out_at"
        ),
        ("external_session_id",),
        nullable=frozenset(
            {"auto_cashout", "cashout_multiplier", "crash_multiplier", "payout_amount", "cashed_out_at"}
        ),
        checks={
            "crash_sessions_status_check": lambda row: row["status"] in ("active", "cashed", "crashed"),
            "crash_sessions_bet_amount_check": lambda row: row["bet_amount"] > 0,
            "crash_sessions_check": lambda row: (row["status"] == "active") == (row["payout_amount"] is None),
            "crash_sessions_check1": lambda row: (row["status"] == "active") == (row["crash_multiplier"] is None),
            "crash_sessions_check2": lambda row: (
                (row["status"] == "cashed") == (row["cashout_multiplier"] is not None)
            ),
            "crash_sessions_check3": lambda row: (row["status"] == "cashed") == (row["cashed_out_at"] is not None),
        },
    ),
    Table(
        "game_sessions",
        _words("session_id uid game_type started_at ended_at rounds bet win"),
        ("session_id",),
        nullable=frozenset({"ended_at"}),
    ),
    Table(
        "user_rewards",
        _words(
            "partition epoch seq uid reward_type amount source_description key granted_by created_at"
        ),
        _PLACE,
        unique=(Unique("user_rewards_once_per_key", ("uid", "key"), lambda row: bool(row["key"] != "")),),
        checks={
            "user_rewards_reward_type_check": lambda row: row["reward_type"] in ("TOKENS", "GEMS"),
            "user_rewards_amount_check": lambda row: row["amount"] > 0,
        },
    ),
    Table(
        "heals",
        _words(
            "partition epoch cause from_entry common_entry forked missing rebuilt started_at seconds"
        ),
        ("partition", "epoch"),
        nullable=frozenset({"from_entry", "common_entry", "missing", "seconds"}),
        defaults={"started_at": NOW},
    ),
    Table(
        "adoptions",
        _words("partition last_entry first_entry adopted_at"),
        ("partition", "first_entry"),
        defaults={"adopted_at": NOW},
    ),
)  # fmt: skip

TABLES: Final[Mapping[str, Table]] = {table.name: table for table in _ALL}
"""By name."""
