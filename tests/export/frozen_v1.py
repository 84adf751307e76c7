"""What a consumer of the first version of the messages declares. It is never changed: messages must go on to fit it."""

import datetime
from typing import Any, Literal

import msgspec


class PityV1(msgspec.Struct):
    since_legendary: int
    since_epic: int
    since_rare: int
    guaranteed: bool


class DrawV1(msgspec.Struct):
    hard_pity: bool
    guaranteed: bool
    stock: int | None


class RoundV1(msgspec.Struct):
    game: str
    currency: Literal["tokens", "gems"]
    staked: int
    paid: int
    banner: str
    pity: PityV1 | None
    draws: list[DrawV1]
    crash_point: float | None


class EventMessageV1(msgspec.Struct):
    event_id: str
    event_type: str
    player_id: int
    tier: str
    created_at: datetime.datetime
    op_id: str
    economy: str
    rules: int
    schema: int
    result: dict[str, Any]
    round: RoundV1 | None
    incomplete: str
