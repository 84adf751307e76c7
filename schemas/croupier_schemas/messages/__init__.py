"""What leaves Croupier: the message of an event, as Kafka's topics carry it, and the names of the topics.

`event_v1.json` beside this file is the JSON Schema of `EventMessage`. Within a version fields and types of events are
only added; a consumer ignores those that it does not know.
"""

import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

SCHEMA_VERSION: Final = 1

TOPIC_ACTIONS: Final = "cc_user_actions"
"""Every event that no other topic has, also those that no player caused."""
TOPIC_REWARDS: Final = "cc_rewards"
TOPIC_PURCHASES: Final = "buy_package"
"""Unless KAFKA_PURCHASES_TOPIC says otherwise."""
TOPIC_DEAD_LETTERS: Final = "cc_dead_letters"

BOUGHT: Final = "shop.bought"
"""The type of the event of a purchase."""


class Pity(msgspec.Struct, frozen=True, gc=False):
    """A player's pity counters on a banner, in draws, and whether the next item of the rate-up rarity is featured."""

    since_legendary: int
    since_epic: int
    since_rare: int
    guaranteed: bool


class Draw(msgspec.Struct, frozen=True, gc=False):
    """How one draw of a pull came about; its rarity and item are in `result.items`, in the same order.

    `stock` is that of the drawn rarity before the draw; null where that is not limited, or was not looked at.
    """

    hard_pity: bool
    guaranteed: bool
    stock: int | None


class Round(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an event did in a game, as far as `result` does not say. Amounts are in `currency`.

    `staked` is what the event took and `paid` what it paid; the bet and the end of a crash round are two events.
    `banner` is empty, `pity` null and `draws` empty where nothing was drawn from a banner. `crash_point` is null but in
    an event that ends a crash round.
    """

    game: str
    currency: Literal["tokens", "gems"]
    staked: int
    paid: int
    banner: str = ""
    pity: Annotated[Pity | None, Meta(description="As the pull found it")] = None
    draws: list[Draw] = []
    crash_point: float | None = None


class EventMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event. (partition, epoch, seq), which `event_id` joins, is unique, and later is greater within a partition.

    A message may come more than once: a consumer drops what is not greater than the last one that it took of the same
    log partition from the same partition of a topic.
    """

    event_id: Annotated[str, Meta(description="partition-epoch-seq", examples=["0-1-42"])]
    event_type: Annotated[str, Meta(examples=["gacha.pulled"])]
    player_id: Annotated[int, Meta(description="0: no player caused it")]
    tier: Annotated[str, Meta(description="The player's tier at the time; empty where there is none")]
    created_at: datetime.datetime
    op_id: Annotated[str, Meta(description="Operation id of the call that did it, 32 hexadecimal digits")]
    economy: Annotated[
        str, Meta(description="Version of the economy it happened under; empty before the first")
    ]
    rules: Annotated[int, Meta(description="Version of the rules it happened under")]
    schema: Annotated[int, Meta(description="Version of this message")] = SCHEMA_VERSION
    result: Annotated[
        dict[str, Any],
        Meta(description="What its command answered the player; empty where no command did it"),
    ] = {}
    round: Round | None = None
    incomplete: Annotated[
        str, Meta(description="Why `result` and `round` are missing, where the event should have them")
    ] = ""


class ShopBought(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The terms of `shop.bought`, which its message shows as `result`. `gems_granted` is 0 if the shop gave none."""

    sku: str
    price_cents: int
    currency: str
    gems_granted: int
    charge_id: str
    receipt_code: str


def topic_of(event_type: str, purchases_topic: str) -> str:
    """The one topic that events of a type go to."""
    if event_type == BOUGHT:
        return purchases_topic
    return TOPIC_REWARDS if event_type.startswith("rewards.") else TOPIC_ACTIONS
