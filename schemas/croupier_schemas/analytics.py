"""What operators ask ClickHouse, and the replies."""

import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.economy import BannerName, Rarity

DAYS_MAX: Final = 90

Days = Annotated[
    int,
    Meta(
        ge=1,
        le=DAYS_MAX,
        description="How many days back, today included; days as the daily limits have them",
    ),
]
AsOf = Annotated[
    datetime.datetime | None,
    Meta(
        description="Time of the last event that ClickHouse held when this was read; null before the first one"
    ),
]
PValue = Annotated[
    float | None,
    Meta(
        description="Probability of a deviation at least as large where the odds are as disclosed; null where there "
        "are too few draws"
    ),
]

Stage = Literal["open_shop", "buy_click", "buy_success"]


class FunnelQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The days of the funnel."""

    days: Days = 3


class FunnelStage(msgspec.Struct, frozen=True):
    """How many players came as far as this stage."""

    stage: Stage
    count: Annotated[
        int, Meta(description="Different players, who had been at the stages before in this order")
    ]
    as_of: AsOf


class OddsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The days whose draws are looked at, and optionally one banner."""

    days: Days = 7
    banner: BannerName | None = None


class DrawnItem(msgspec.Struct, frozen=True):
    """How often an item was delivered, and how often it was to be expected among those of its rarity."""

    id: str
    observed: int
    expected: float


class DrawnRarity(msgspec.Struct, frozen=True):
    """How often a rarity was drawn, and how often it was to be expected. Draws count before stock replaces them."""

    rarity: Rarity
    weight_ppm: Annotated[int, Meta(description="Weight in the table, without pity")]
    observed: int
    expected: Annotated[
        float, Meta(description="Sum over the draws of the disclosed probability, pity included")
    ]
    deviation: Annotated[
        float, Meta(description="Standard deviation of the number of draws, where the odds are as disclosed")
    ]
    items: Annotated[list[DrawnItem], Meta(description="As delivered, after stock; in drawing order")]


class DrawnOdds(msgspec.Struct, frozen=True):
    """The draws from one banner under one version of the economy, against its disclosed odds."""

    banner: BannerName
    economy: str
    in_force: bool
    pulls: int
    draws: int
    first_at: datetime.datetime
    last_at: datetime.datetime
    rarities: list[DrawnRarity]
    chi_square: float | None
    degrees_of_freedom: int
    p_value: PValue
    items_chi_square: float | None
    items_degrees_of_freedom: int
    items_p_value: PValue


class OddsReply(msgspec.Struct, frozen=True):
    """Observed against disclosed odds, by banner and version of the economy; those drawn from last come first."""

    since: datetime.datetime
    total: int
    items: list[DrawnOdds]
    as_of: AsOf


class RtpQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The days whose rounds are looked at."""

    days: Days = 7


class GameRtp(msgspec.Struct, frozen=True):
    """What the rounds of a game with a bet came to under one version of the economy, in tokens.

    A crash round counts when it ends. `low` and `high` hold the true return to players in 95 of 100 such samples; null
    where there are fewer than two rounds.
    """

    game: Literal["crash", "slot", "rps"]
    economy: str
    rounds: int
    staked: int
    paid: int
    rtp: Annotated[float, Meta(description="paid / staked")]
    low: float | None
    high: float | None
    disclosed: Annotated[float, Meta(description="What the economy discloses")]


class RtpReply(msgspec.Struct, frozen=True):
    """The return to players, by game and version of the economy."""

    since: datetime.datetime
    total: int
    items: list[GameRtp]
    as_of: AsOf


class RetentionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The days on which players came for the first time."""

    days: Days = 30


class Returned(msgspec.Struct, frozen=True):
    """Players of a cohort who came on a certain day after their first."""

    players: int
    share: float


class Cohort(msgspec.Struct, frozen=True):
    """The players whose first event was on this day. What lies ahead, or is not over, is null."""

    day: datetime.date
    players: int
    d1: Returned | None
    d7: Returned | None
    d30: Returned | None


class RetentionReply(msgspec.Struct, frozen=True):
    """How many players come back, by the day of their first event; oldest first, days without new players left out."""

    total: int
    items: list[Cohort]
    as_of: AsOf


class Hour(msgspec.Struct, frozen=True):
    """What was played in an hour; amounts in tokens."""

    hour: Annotated[datetime.datetime, Meta(description="Its beginning")]
    players: int
    pulls: int
    draws: int
    staked: int
    paid: int


class CrashBin(msgspec.Struct, frozen=True):
    """Rounds that crashed from `low` to below `high`, null being without end; 1.00 is a round that was lost at once."""

    low: float
    high: float | None
    observed: int
    expected: float


class CrashPoints(msgspec.Struct, frozen=True):
    """Where crash rounds crashed, or would have, against the disclosed law."""

    rounds: int
    bins: list[CrashBin]
    chi_square: float | None
    degrees_of_freedom: int
    p_value: PValue
