"""The rules of a pull in plain Python, for peers that decide in the application what Croupier decides in its script."""

import hashlib
from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

import msgspec

from croupier.economy import version
from croupier.economy.banner import drawing_order, items_of, pity_of, stock_of, weight_of
from croupier.fairness.seeds import ServerSeed
from croupier_schemas.common import Receipt
from croupier_schemas.economy import RARITIES, Economy, Tier
from croupier_schemas.gacha import GachaItem, GachaPullReply, Pity

BANNER = "standard"
COMMON = 3
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Refused(Exception):
    """The rules do not allow the pull; the argument is the code of the refusal."""


class Player(msgspec.Struct, array_like=True, gc=False):
    """All that a pull reads of a player, in the order of the columns in `schema.sql`; it writes the first eleven.

    The pity counters of the one banner stand with the player's balance, which spares the peers a second row or key.
    """

    tokens: int
    day: int
    pulls: int
    nonce: int
    since_legendary: int
    since_epic: int
    since_rare: int
    second: int
    second_calls: int
    minute: int
    minute_calls: int
    client_seed: str
    inner_pad: bytes
    outer_pad: bytes
    commitment: bytes


WRITTEN = Player.__struct_fields__[:11]
"""What a pull writes of a player."""


class Draw(NamedTuple):
    """What the rolls say, before anybody has looked at the stock. `rarity` is an index into `RARITIES`."""

    at_ms: int
    rarity: int
    near_miss: bool
    u_item: float
    blocked: bool


class Event(msgspec.Struct, array_like=True, gc=False):
    """What is recorded of a pull: the item, and the player as it was left. Rarities are indices into `RARITIES`."""

    uid: int
    nonce: int
    at_ms: int
    cost: int
    balance: int
    rarity: int
    item: str
    near_miss: bool
    downgraded_from: int | None
    since_legendary: int
    since_epic: int
    since_rare: int
    blocked: bool


class Rules:
    """One banner of an economy, ready to draw from. It pays in tokens, one draw a pull."""

    def __init__(self, economy: Economy) -> None:
        banner = economy.gacha.banners[BANNER]
        self.economy = economy
        self.version = version(economy)
        self.cost = banner.cost_tokens.one
        self.near_miss_ppm = banner.near_miss_ppm
        weights = list(accumulate(weight_of(banner, rarity) for rarity in RARITIES))
        self.upto_ppm = weights[:COMMON]
        rules = [pity_of(banner, rarity) for rarity in RARITIES[:COMMON]]
        self.hard = [rule.hard or 0 if rule else 0 for rule in rules]
        self.stock = {
            index: stock
            for index, rarity in enumerate(RARITIES)
            if (stock := stock_of(banner, rarity)) is not None
        }
        ordered = [drawing_order(items_of(banner, rarity)) for rarity in RARITIES]
        self.items = [[item.id for item in items] for items in ordered]
        self.items_upto = [list(accumulate(item.weight for item in items)) for items in ordered]
        self._animations = [getattr(economy.gacha.animations, rarity) for rarity in RARITIES]

    def new_player(self, uid: int) -> Player:
        """A player who has never pulled, with a server seed of their own."""
        text = hashlib.sha256(f"the server seed of {uid} in a benchmark".encode()).hexdigest()
        key, commitment = text.encode(), ServerSeed(uid, 1, 1, text).commitment
        tokens, pads = self.economy.initial_tokens, (key.translate(_INNER), key.translate(_OUTER))
        return Player(tokens, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, str(uid), *pads, commitment)

    def daily_limit(self, tier: Tier) -> int:
        limit: int = getattr(self.economy.gacha.daily_limit, tier)
        return limit

    def draw(self, player: Player, tier: Tier, now_ms: int) -> Draw:
        """Check what must hold before a pull, and take the next rolls. Raises Refused."""
        self._count_call(player, now_ms)
        return self.draw_counted(player, tier, now_ms)

    def draw_counted(self, player: Player, tier: Tier, now_ms: int) -> Draw:
        """The same where the call is counted already. Raises Refused."""
        limits = self.economy.rate_limit
        rate = getattr(limits.games, tier)
        blocked = player.second_calls > rate.per_second or player.minute_calls > rate.per_minute
        if blocked and limits.mode == "enforce":
            raise Refused("RATE_LIMITED")
        today = now_ms // 86_400_000
        if today > player.day:
            player.day, player.pulls = today, 0
        if player.pulls >= self.daily_limit(tier):
            raise Refused("DAILY_GACHA_LIMIT")
        if player.tokens < self.cost:
            raise Refused("INSUFFICIENT_BALANCE")
        player.nonce += 1
        u_rarity, u_item = rolls(player)
        r = int(u_rarity * 1_000_000)
        due = self._due(player)
        in_band = self.upto_ppm[0] <= r < self.upto_ppm[0] + self.near_miss_ppm
        rarity = bisect_right(self.upto_ppm, r) if due is None else due
        return Draw(now_ms, rarity, in_band and due is None, u_item, blocked)

    def _count_call(self, player: Player, now_ms: int) -> None:
        """Count the call in its second and in its minute: two counters, as is usual."""
        second, minute = now_ms // 1_000, now_ms // 60_000
        if player.second != second:
            player.second, player.second_calls = second, 0
        if player.minute != minute:
            player.minute, player.minute_calls = minute, 0
        player.second_calls += 1
        player.minute_calls += 1

    def _due(self, player: Player) -> int | None:
        since = (player.since_legendary, player.since_epic, player.since_rare)
        for rarity, hard in enumerate(self.hard):
            if hard and since[rarity] >= hard - 1:
                return rarity
        return None

    def deliver(self, uid: int, player: Player, draw: Draw, *, in_stock: bool) -> Event:
        """Charge the player, move the pity on, choose the item: a Common where the drawn rarity is out of stock."""
        rarity = draw.rarity if in_stock else COMMON
        upto = self.items_upto[rarity]
        item = self.items[rarity][bisect_right(upto, int(draw.u_item * upto[-1]))]
        player.since_legendary = 0 if rarity == 0 else player.since_legendary + 1
        player.since_epic = 0 if rarity == 1 else player.since_epic + 1
        player.since_rare = 0 if rarity == 2 else player.since_rare + 1
        player.pulls += 1
        player.tokens -= self.cost
        return Event(
            uid, player.nonce, draw.at_ms, self.cost, player.tokens, rarity, item, draw.near_miss and in_stock,
            None if in_stock else draw.rarity, player.since_legendary, player.since_epic, player.since_rare,
            draw.blocked,
        )  # fmt: skip

    def reply(self, event: Event, event_id: str, pulls: int, tier: Tier, commitment: bytes) -> GachaPullReply:
        """What the player is told; `pulls` are those of the day, this one included."""
        item = GachaItem(
            RARITIES[event.rarity],
            event.item,
            self._animations[event.rarity],
            event.near_miss,
            None if event.downgraded_from is None else RARITIES[event.downgraded_from],
        )
        return GachaPullReply(
            items=[item],
            daily_remaining=self.daily_limit(tier) - pulls,
            cost_used=event.cost,
            balance=event.balance,
            gems=0,
            pity=Pity(event.since_legendary, event.since_epic, event.since_rare, False),
            legacy_cost_mode=False,
            receipt=Receipt(event_id, event.nonce, self.version, event.nonce, commitment.hex()),
        )


def rolls(player: Player) -> tuple[float, float]:
    """Two multiples of 2^-52 in [0, 1) from HMAC-SHA256 of "client_seed:nonce:0", its key blocks being made already.

    SHA-256, because Postgres has it without an extension.
    """
    message = f"{player.client_seed}:{player.nonce}:0".encode()
    inner = hashlib.sha256(player.inner_pad + message).digest()
    block = hashlib.sha256(player.outer_pad + inner).digest()
    first, second = int.from_bytes(block[:7]) >> 4, int.from_bytes(block[7:14]) >> 4
    return first / 2**52, second / 2**52
