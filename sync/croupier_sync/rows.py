"""The rows that projections make of events, one type per table."""

import datetime
from typing import NamedTuple, TypeAlias


class EconomyRow(NamedTuple):
    """A row of `economy_versions`."""

    version: str
    canonical: bytes


class HistoryRow(NamedTuple):
    """A row of `game_history`. `result_meta` is JSON."""

    partition: int
    epoch: int
    seq: int
    uid: int
    game_type: str
    action_type: str
    delta_coin: int
    delta_gem: int
    result_meta: str
    created_at: datetime.datetime


class LedgerRow(NamedTuple):
    """A row of `wallet_ledger`."""

    partition: int
    epoch: int
    seq: int
    line: int
    uid: int
    type: str
    currency: str
    delta: int
    balance_after: int
    created_at: datetime.datetime


class DailyRow(NamedTuple):
    """A row of `gacha_daily`. `epoch` and `seq` are those of the event."""

    day: int
    uid: int
    tier: str
    remaining: int
    epoch: int
    seq: int


class PoolRow(NamedTuple):
    """What an event, or several, did to a pool in an hour: a row of `pool_hours`, in items.

    `remaining` is what the event (`epoch`, `seq`) left.
    """

    partition: int
    banner: str
    rarity: str
    hour: datetime.datetime
    remaining: int
    drawn: int
    added: int
    epoch: int
    seq: int


class StatsRow(NamedTuple):
    """What one round, or several, add to a row of `game_stats`; amounts in tokens."""

    uid: int
    game_type: str
    rounds: int
    wins: int
    losses: int
    total_bet: int
    total_win: int
    biggest_win: int
    last_played_at: datetime.datetime


class CrashRow(NamedTuple):
    """A row of `crash_sessions`, as the event leaves it. Multipliers are in hundredths; None: not known, or none."""

    external_session_id: str
    uid: int
    status: str
    bet_amount: int
    auto_cashout_m100: int | None
    cashout_multiplier_m100: int | None
    crash_multiplier_m100: int | None
    payout_amount: int | None
    started_at: datetime.datetime
    cashed_out_at: datetime.datetime | None


class SessionRow(NamedTuple):
    """A row of `game_sessions`, as the event leaves it. `bet` and `win` are in tokens."""

    session_id: str
    uid: int
    game_type: str
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    rounds: int
    bet: int
    win: int


class RewardRow(NamedTuple):
    """A row of `user_rewards`. An empty key is none."""

    partition: int
    epoch: int
    seq: int
    uid: int
    reward_type: str
    amount: int
    source_description: str
    key: str
    granted_by: int
    created_at: datetime.datetime


Row: TypeAlias = (
    EconomyRow | HistoryRow | LedgerRow | DailyRow | PoolRow | StatsRow | CrashRow | SessionRow | RewardRow
)
