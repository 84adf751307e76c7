"""Requests and replies of wallet and history."""

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import Balance
from croupier_schemas.economy import Game

Cursor = Annotated[str, Meta(max_length=64, description="`next_cursor` of the page before")]


class WalletReply(msgspec.Struct, frozen=True):
    """A player's balances, from the live state."""

    user_id: int
    tokens: Balance
    gems: Balance


class LedgerQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the ledger."""

    currency: Literal["tokens", "gems"] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class LedgerEntry(msgspec.Struct, frozen=True):
    """One change of a balance."""

    time: datetime.datetime
    type: str
    currency: Literal["tokens", "gems"]
    delta: int
    balance_after: int
    event_id: str


class LedgerReply(msgspec.Struct, frozen=True):
    """A page of the ledger, newest first."""

    total: int
    items: list[LedgerEntry]
    next_cursor: str | None
    as_of: datetime.datetime


class HistoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of the history. `offset` reaches to 10,000; beyond, use `cursor`."""

    game_type: Game | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    offset: Annotated[int, Meta(ge=0, le=10_000)] = 0
    since: datetime.datetime | None = None
    cursor: Cursor | None = None


class HistoryItem(msgspec.Struct, frozen=True):
    """One round of a game."""

    game_type: str
    action_type: str
    delta_coin: int
    delta_gem: int
    result_meta: Annotated[
        dict[str, object], Meta(description="Outcome of the round; its members depend on the game")
    ]
    created_at: datetime.datetime
    event_id: str


class HistoryReply(msgspec.Struct, frozen=True):
    """A page of the history, newest first."""

    total: int
    items: list[HistoryItem]
    next_cursor: str | None
    as_of: datetime.datetime
