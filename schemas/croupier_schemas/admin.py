"""What operators ask, and the replies: pools, odds as observed, players, events, and the state of the servers."""

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from croupier_schemas.common import UserId
from croupier_schemas.economy import BannerName, Game, Rarity
from croupier_schemas.wallet import Cursor

AsOf = Annotated[
    datetime.datetime, Meta(description="Time of the last event that Postgres held when this was read")
]


class PoolsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far back the history of the pools reaches."""

    hours: Annotated[int, Meta(ge=1, le=168)] = 24


class PoolHour(msgspec.Struct, frozen=True):
    """An hour in which a pool changed; amounts in items."""

    hour: Annotated[datetime.datetime, Meta(description="Its beginning")]
    remaining: Annotated[int, Meta(description="At its end, or by now")]
    drawn: int
    added: int


class Pool(msgspec.Struct, frozen=True):
    """The limited stock of one rarity of a banner, in items."""

    banner: BannerName
    rarity: Rarity
    enabled: Annotated[bool, Meta(description="Whether the banner can be pulled from")]
    initial: Annotated[int, Meta(description="What the economy in force gives a new pool")]
    remaining: Annotated[int, Meta(description="In Redis, now")]
    history: Annotated[
        list[PoolHour], Meta(description="Oldest first; hours in which nothing changed are left out")
    ]


class PoolsReply(msgspec.Struct, frozen=True):
    """All pools of the economy in force."""

    economy: str
    since: Annotated[datetime.datetime, Meta(description="Beginning of the history's first hour")]
    total: int
    items: list[Pool]
    as_of: AsOf


class ObservedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many rounds are looked at."""

    rounds: Annotated[int, Meta(ge=1, le=20_000, description="The newest ones of each game")] = 5_000


class ObservedOutcome(msgspec.Struct, frozen=True):
    """How often something came out, and how often it was to be expected."""

    outcome: str
    observed: int
    expected: Annotated[
        float, Meta(description="Sum over the draws of the disclosed probability; for rarities with pity")
    ]
    deviation: Annotated[
        float, Meta(description="Standard deviation of the number of draws, where the odds are as disclosed")
    ]


class ObservedTable(msgspec.Struct, frozen=True):
    """Draws of one kind against the disclosed probability of each of them.

    Outcomes that are expected fewer than five times are counted together with the next one. `p_value` is the
    probability of a deviation at least as large where the odds are as disclosed; null where there are too few draws.
    """

    name: Annotated[str, Meta(examples=["Rarity", "Epic items", "Reel 1, top row", "Crash point"])]
    draws: int
    outcomes: list[ObservedOutcome]
    tested: Annotated[list[list[str]], Meta(description="The groups of outcomes that were compared")]
    chi_square: float | None
    degrees_of_freedom: int
    p_value: float | None


class ObservedMean(msgspec.Struct, frozen=True):
    """The average payout of a round, in percent of its bet: as it was, and as it is disclosed."""

    observed: float
    expected: float
    deviation: Annotated[
        float, Meta(description="Standard deviation of the average, where the odds are as disclosed")
    ]


class ObservedOdds(msgspec.Struct, frozen=True):
    """The newest rounds of one game, or from one banner, under one version of the economy, against its disclosed odds.

    Rarities count as they were drawn, before stock replaces them, and are compared with the probabilities for the pity
    counters that each draw found. `p_value` judges all tables together: the smallest of theirs times their number
    (Bonferroni).
    """

    game: Game
    banner: Annotated[BannerName | None, Meta(description="null: the game has none")]
    economy: str
    in_force: bool
    rounds: int
    first_at: datetime.datetime
    last_at: datetime.datetime
    tables: list[ObservedTable]
    rtp: Annotated[ObservedMean | None, Meta(description="null where players decide what it is")]
    p_value: float | None


class ObservedReply(msgspec.Struct, frozen=True):
    """Observed against disclosed odds, by game, banner and version of the economy; the banners come first."""

    total: int
    items: list[ObservedOdds]
    rounds: Annotated[int, Meta(description="How many rounds were counted")]
    complete: Annotated[bool, Meta(description="Whether these are all rounds that there ever were")]
    as_of: AsOf


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which events."""

    type: Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\.[a-z_]{1,32}\Z", examples=["gacha.pulled"])] | None = (
        None
    )
    user_id: Annotated[int, Meta(ge=0, le=2**53 - 1, description="0: what no player caused")] | None = None
    since: datetime.datetime | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Cursor | None = None


class EventItem(msgspec.Struct, frozen=True):
    """One event. Its deltas and its result are what the history says of it; null where it has no line there."""

    event_id: str
    event_type: str
    player_id: Annotated[int | None, Meta(description="null: no player caused it")]
    tier: str
    created_at: datetime.datetime
    op_id: str
    economy: str
    delta_coin: int | None
    delta_gem: int | None
    result: dict[str, object] | None


class EventsReply(msgspec.Struct, frozen=True):
    """A page of the event log, newest first.

    A page looks at 50,000 events at most: one that finds few among them may have fewer items than `limit`, even none,
    and a `next_cursor` where there is more to look at.
    """

    total: Annotated[None, Meta(description="Not counted: the log may be long")]
    items: list[EventItem]
    next_cursor: str | None
    as_of: AsOf


class PlayerQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose state."""

    user_id: UserId


class RecordField(msgspec.Struct, frozen=True):
    """One field of a record. Of those that may be secret only whether there is something: `present` or `absent`."""

    field: str
    value: int | str
    meaning: str


class PlayerRecord(msgspec.Struct, frozen=True):
    """One record of a player."""

    kind: Annotated[str, Meta(examples=["player", "gacha", "crash", "session"])]
    name: Annotated[str, Meta(description="Banner or game; empty for what there is one of")]
    fields: list[RecordField]


class PlayerReply(msgspec.Struct, frozen=True):
    """What Redis holds of a player now."""

    user_id: int
    records: list[PlayerRecord]


class PartitionStatus(msgspec.Struct, frozen=True):
    """A partition as the daemon that owned it last has described it, and how far Postgres is."""

    partition: int
    state: Annotated[str, Meta(description="`following` when all is well, `stopped` by an alarm")]
    reason: str
    detail: str
    since: datetime.datetime
    silent_s: Annotated[float | None, Meta(description="Seconds since the daemon last wrote; null: never")]
    epoch: Annotated[int, Meta(description="The last one handed out")]
    last_event: Annotated[str | None, Meta(description="Id of the last event that Postgres has")]
    last_event_at: datetime.datetime | None


class Heal(msgspec.Struct, frozen=True):
    """One time that Redis was brought back to what Postgres holds."""

    partition: int
    epoch: Annotated[int, Meta(description="The one that the healing began")]
    cause: str
    undone: Annotated[
        int, Meta(description="Events that Redis had and Postgres had not: their effects are gone")
    ]
    missing: Annotated[
        int | None, Meta(description="Events that Redis had lost; null: they have no event in common")
    ]
    rebuilt: Annotated[bool, Meta(description="Whether all keys were written anew")]
    started_at: datetime.datetime
    seconds: Annotated[float | None, Meta(description="null: it did not come to its end")]


class Adoption(msgspec.Struct, frozen=True):
    """A gap in the log: an operator let Redis win over an old copy of Postgres."""

    partition: int
    last_event: Annotated[str, Meta(description="The last one before the gap")]
    first_event: Annotated[str, Meta(description="The first one after it")]
    adopted_at: datetime.datetime


class DeadLetterItem(msgspec.Struct, frozen=True):
    """An event that a projection could not take."""

    event_id: str
    projection: str
    error: str
    created_at: datetime.datetime
    replays: Annotated[int, Meta(description="How often it was tried again in vain")]


class SyncReply(msgspec.Struct, frozen=True):
    """What the sync daemons do and did. Of lists the newest 50, newest first; the totals count all."""

    partitions: list[PartitionStatus]
    heals: list[Heal]
    heals_total: int
    adoptions: list[Adoption]
    adoptions_total: int
    dead_letters: list[DeadLetterItem]
    dead_letters_total: int
    as_of: AsOf


class SinkLag(msgspec.Struct, frozen=True):
    """How far a sink is behind."""

    sink: str
    events: Annotated[int, Meta(description="Events that it has not taken yet")]
    seconds: Annotated[float, Meta(description="Age of the oldest of them")]


class SinkNow(SinkLag, frozen=True):
    """How a sink is."""

    state: Annotated[
        str,
        Meta(
            description="What the daemon that exports to it says: `following` is good; `silent`: it has said nothing "
            "for 10 s. Empty of Postgres, whose partitions `/api/admin/sync` lists",
            examples=["following"],
        ),
    ] = ""
    dead_letters: Annotated[
        int, Meta(description="Events that it could not take; of Postgres `/api/admin/sync` tells")
    ] = 0


class OperationCounts(msgspec.Struct, frozen=True):
    """Requests to one operation since the server started."""

    operation: Annotated[str, Meta(description="Its `operationId`")]
    is_command: Annotated[
        bool, Meta(description="It gives a command; the others read, serve files, or do something else")
    ]
    statuses: Annotated[dict[str, int], Meta(description="Replies by status")]
    buckets: Annotated[
        list[int], Meta(description="Replies that took no longer than each of `bounds_s`, then all of them")
    ]
    seconds: Annotated[float, Meta(description="Sum of the times")]


class CommandCounts(msgspec.Struct, frozen=True):
    """Commands given to the engine since the server started."""

    command: str
    outcomes: Annotated[dict[str, int], Meta(description="`ok`, `replayed`, or the error code")]


class BlockCounts(msgspec.Struct, frozen=True):
    """Requests that a rate limit refused since the server started."""

    endpoint: str
    user_tier: str
    blocked: int


class RedisState(msgspec.Struct, frozen=True):
    """The way to Redis, over all workers; counters since the server started."""

    breaker: Annotated[
        Literal["closed", "probing", "open"], Meta(description="Of several workers the worst; closed is good")
    ]
    breaker_openings: int
    in_flight: int
    reconnects: int
    unknown_outcomes: int
    memory_percent: Annotated[float, Meta(description="Of `maxmemory`; 0 where that is not set")]


class SocketCounts(msgspec.Struct, frozen=True):
    """WebSockets over all workers; counters since the server started."""

    open: Annotated[dict[str, int], Meta(description="Those that are open now, by kind")]
    frames_in: int
    frames_out: int
    pushes_dropped: Annotated[int, Meta(description="Left out because the client does not read")]
    slow_readers_closed: int
    fanout_buckets: Annotated[
        list[int],
        Meta(
            description="Pushes that took no longer from their event than each of `fanout_bounds_s`, then all"
        ),
    ]
    fanout_bounds_s: list[float]


class OperationsReply(msgspec.Struct, frozen=True):
    """The servers now. Counters start at 0 with the server: a rate is the difference of two replies."""

    at: datetime.datetime
    version: str
    status: Literal["ready", "degraded", "not_ready"]
    checks: Annotated[dict[str, str], Meta(description="By name: `ok`, or what is wrong")]
    why_full: Annotated[
        str, Meta(description="Why commands that begin something are refused; empty: they are not")
    ]
    http_in_flight: int
    redis: RedisState
    outbox_length: int
    sinks: Annotated[
        list[SinkNow],
        Meta(description="Postgres first; Kafka and ClickHouse where they are on, while Postgres answers"),
    ]
    bounds_s: Annotated[list[float], Meta(description="Upper bounds of the buckets, in seconds")]
    operations: list[OperationCounts]
    commands: list[CommandCounts]
    blocks: list[BlockCounts]
    sockets: SocketCounts
