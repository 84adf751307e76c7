"""What the application of a peer needs of it, whatever database it pulls from."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from bench.peers.rules import COMMON, Rules
from croupier_schemas.economy import Tier
from croupier_schemas.gacha import GachaPullReply


class Setup(msgspec.Struct, frozen=True):
    """What a peer is told when it starts. Players are numbered from 1; their state is made anew.

    `connections` to the database: one for each request in flight serves all peers best (tried: 8, 16, 32).
    """

    peer: str
    url: str
    economy_file: str
    secret: str
    players: int
    synchronous_commit: str = "on"
    connections: int = 32


class Counts(msgspec.Struct):
    """Since the peer started: pulls that were answered, attempts that had to be repeated, pulls that failed."""

    pulls: int = 0
    retries: int = 0
    errors: int = 0


class Audit(msgspec.Struct, frozen=True):
    """What is wrong with what a peer has stored; all but `pulls` is 0 where it is correct.

    `balances_wrong` are players whose balance is not what they began with minus their pulls; `draws_repeated` are pulls
    that had the rolls of another one; `oversold` are items below an empty stock; `stock_wrong` are items that were
    delivered but are not missing in the stock, or the other way round.
    """

    pulls: int
    balances_wrong: int
    draws_repeated: int
    oversold: int
    stock_wrong: int


class Peer(Protocol):
    """The pull, done one way."""

    counts: Counts

    async def open(self, players: int) -> None:
        """Connect, and make new players."""

    async def pull(self, uid: int, tier: Tier, now_ms: int) -> GachaPullReply:
        """One pull. Raises Refused."""

    async def audit(self) -> Audit:
        """Compare what is stored with the events."""

    async def close(self) -> None:
        """Disconnect."""


def audit(
    rules: Rules,
    events: Iterable[tuple[int, int, int]],
    balances: Mapping[int, int],
    stock: Mapping[int, int],
) -> Audit:
    """From the events as (player, nonce, rarity), the players' balances, and what is left of the limited rarities."""
    draws, delivered, pulls = Counter[tuple[int, int]](), Counter[int](), Counter[int]()
    for uid, nonce, rarity in events:
        draws[uid, nonce] += 1
        delivered[rarity] += 1
        pulls[uid] += 1
    assert COMMON not in rules.stock, "Common never runs out"
    return Audit(
        pulls=pulls.total(),
        balances_wrong=sum(
            balance != rules.economy.initial_tokens - rules.cost * pulls[uid]
            for uid, balance in balances.items()
        ),
        draws_repeated=draws.total() - len(draws),
        oversold=sum(max(0, -left) for left in stock.values()),
        stock_wrong=sum(
            abs(rules.stock[rarity] - left - delivered[rarity]) for rarity, left in stock.items()
        ),
    )
