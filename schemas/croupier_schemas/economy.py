"""Types of the economy, the versioned configuration of the games.

These structs say which keys exist, their types, bounds and defaults. Rules that span several fields
(weights that must sum to a million, for example) are checked in `croupier.economy.check`. The keys are
those of the economy file, described for operators in `docs/economy.md`.

Numbers are integers. A name ending in `_ppm` is in parts per million; costs and balances are in whole
tokens or gems.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

Rarity = Literal["Legendary", "Epic", "Rare", "Common"]
Tier = Literal["STANDARD", "PREMIUM", "VIP"]

RARITIES: Final[tuple[Rarity, Rarity, Rarity, Rarity]] = ("Legendary", "Epic", "Rare", "Common")
"""Highest first. Indexes, cumulative weights and the order in which pity applies all follow this order."""

Game = Literal["gacha", "crash", "slot", "rps"]

GAMES: Final[tuple[Game, Game, Game, Game]] = ("gacha", "crash", "slot", "rps")

TIERS: Final[tuple[Tier, Tier, Tier]] = ("STANDARD", "PREMIUM", "VIP")

PPM: Final = 1_000_000
"""The whole, in parts per million: the weights of a banner sum to exactly this."""

BALANCE_MAX: Final = 999_999_999_999_999
"""Largest balance of tokens or gems. Lua's numbers hold it exactly, and it prints with 15 digits."""

# `\Z`, because `$` also matches before a final line feed.
BannerName = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}\Z")]
ItemId = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,64}\Z")]
AnimationType = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,64}\Z")]

Amount = Annotated[int, Meta(ge=0, le=BALANCE_MAX)]
Ppm = Annotated[int, Meta(ge=0, le=PPM)]
ItemWeight = Annotated[int, Meta(ge=1, le=PPM)]
DrawNumber = Annotated[int, Meta(ge=1, le=10_000)]
HardPity = Annotated[int, Meta(ge=2, le=10_000)]
# The lower bound makes a soft pity, and so its disclosed table, end within a thousand draws.
SoftPityStep = Annotated[int, Meta(ge=1_000, le=PPM)]
Stock = Annotated[int, Meta(ge=0, le=10**12)]
DailyPulls = Annotated[int, Meta(ge=0, le=10_000)]
# A log of so many 4-byte times is kept per player.
CallsPerMinute = Annotated[int, Meta(ge=1, le=600)]
CallsPerSecond = Annotated[int, Meta(ge=1, le=600)]
# A bet times the largest multiplier stays below 2^53, so that payouts are exact.
Bet = Annotated[int, Meta(ge=1, le=10_000_000_000)]
GrowthPpm = Annotated[int, Meta(ge=1_000, le=PPM)]
MaxMultiplier = Annotated[int, Meta(ge=2, le=1_000)]
PayPercent = Annotated[int, Meta(ge=0, le=100_000)]
WinPercent = Annotated[int, Meta(ge=100, le=200)]
Symbol = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,32}\Z")]


class Cost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Price of a pull of one and of a pull of ten, in whole tokens or gems."""

    one: Amount
    ten: Amount


class RarityWeights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Chance of each rarity before any pity, in parts per million, summing to exactly `PPM`."""

    Legendary: Ppm
    Epic: Ppm
    Rare: Ppm
    Common: Ppm


class Item(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item of a rarity. Its chance within the rarity is `weight` over the sum of the rarity's weights."""

    id: ItemId
    weight: ItemWeight = 1
    featured: bool = False


Items = Annotated[tuple[Item, ...], Meta(max_length=64)]


class RarityItems(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The items of each rarity, in file order."""

    Legendary: Items = ()
    Epic: Items = ()
    Rare: Items = ()
    Common: Items


class SoftPity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From draw `from_draw` without the rarity on, its weight grows by `step_ppm` with every draw."""

    from_draw: DrawNumber
    step_ppm: SoftPityStep


class PityRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pity of one rarity: after `hard - 1` draws without it, the next draw is that rarity."""

    hard: HardPity | None = None
    soft: SoftPity | None = None


class RarityPity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pity of each rarity above `Common`; null is none."""

    Legendary: PityRule | None = None
    Epic: PityRule | None = None
    Rare: PityRule | None = None


class RarityStock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many a new pool holds; null is unlimited. `Common` never runs out: every downgrade ends there."""

    Legendary: Stock | None = None
    Epic: Stock | None = None
    Rare: Stock | None = None


class Banner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One gacha table."""

    enabled: bool = True
    cost_tokens: Cost = Cost(one=5_000, ten=50_000)
    cost_gems: Cost | None = None
    weights_ppm: RarityWeights
    items: RarityItems
    pity: RarityPity = RarityPity(Legendary=PityRule(hard=90))
    rate_up: Rarity | None = None
    stock: RarityStock = RarityStock()
    near_miss_ppm: Ppm = 0


class DailyLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pulls per day and player by tier, over all banners; a pull of ten counts once."""

    STANDARD: DailyPulls = 3
    PREMIUM: DailyPulls = 5
    VIP: DailyPulls = 5


class Animations(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `animation_type` that a client is told to show for each delivered rarity."""

    Legendary: AnimationType = "legendary"
    Epic: AnimationType = "epic"
    Rare: AnimationType = "rare"
    Common: AnimationType = "common"


Banners = Annotated[dict[BannerName, Banner], Meta(min_length=1, max_length=64)]


class Gacha(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gacha section: limits, prices of the legacy mode, presentation and the banners."""

    enabled: bool = True
    daily_limit: DailyLimit = DailyLimit()
    legacy_cost: Cost = Cost(one=50, ten=450)
    animations: Animations = Animations()
    banners: Banners


class Rate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many calls of one player are let through in any second, and in any 60 seconds."""

    per_second: CallsPerSecond
    per_minute: CallsPerMinute


class GamesRate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates of what players ask of the games, all of it together, by tier."""

    STANDARD: Rate = Rate(per_second=5, per_minute=60)
    PREMIUM: Rate = Rate(per_second=10, per_minute=120)
    VIP: Rate = Rate(per_second=20, per_minute=240)


class CashoutRate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates of cash-outs by tier; counted apart, since a player who may not cash out loses the bet."""

    STANDARD: Rate = Rate(per_second=20, per_minute=300)
    PREMIUM: Rate = Rate(per_second=20, per_minute=300)
    VIP: Rate = Rate(per_second=20, per_minute=300)


class RateLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rate limits. `shadow` lets every call through and only says what `enforce` would refuse."""

    mode: Literal["enforce", "shadow"] = "enforce"
    games: GamesRate = GamesRate()
    cashout: CashoutRate = CashoutRate()


class Crash(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The crash game: after t seconds the multiplier is e^(growth_ppm / 10^6 * t), at most `max_multiplier`."""

    enabled: bool = True
    bet_min: Bet = 10
    bet_max: Bet = 1_000_000
    bet_step: Bet = 1
    growth_ppm: GrowthPpm = 60_000
    max_multiplier: MaxMultiplier = 1_000


class Pays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a line pays, in percent of the whole bet: `two` equal symbols from the left, or all `three`."""

    two: PayPercent = 0
    three: PayPercent


Reel = Annotated[tuple[Symbol, ...], Meta(min_length=3, max_length=32)]
Reels = Annotated[tuple[Reel, ...], Meta(min_length=3, max_length=3)]
Paytable = Annotated[dict[Symbol, Pays], Meta(min_length=1, max_length=16)]

_REEL: Final[tuple[str, ...]] = (
    "cherry", "lemon", "plum", "cherry", "bell", "lemon", "cherry", "bar", "plum", "lemon", "cherry",
    "bell", "plum", "lemon", "cherry", "seven", "lemon", "plum", "bar", "cherry", "bell",
)  # fmt: skip
_PAYTABLE: Final[dict[str, Pays]] = {
    "seven": Pays(two=200, three=20_000),
    "bar": Pays(two=100, three=3_000),
    "bell": Pays(two=50, three=800),
    "plum": Pays(two=30, three=400),
    "lemon": Pays(two=20, three=200),
    "cherry": Pays(two=10, three=100),
}


class Slot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The slot machine: three reels that show three symbols each, and five lines over them."""

    enabled: bool = True
    bet_min: Bet = 100
    bet_max: Bet = 100_000
    bet_step: Bet = 100
    reels: Reels = (_REEL, _REEL, _REEL)
    paytable: Paytable = field(default_factory=_PAYTABLE.copy)


class Rps(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rock, paper, scissors: a win pays `win_percent` of the bet, a draw gives the bet back."""

    enabled: bool = True
    bet_min: Bet = 1
    bet_max: Bet = 100_000
    bet_step: Bet = 1
    win_percent: WinPercent = 194


class Economy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole economy. Its version is the SHA-256 of its canonical form (`croupier.economy.version`)."""

    initial_tokens: Amount = 100_000
    initial_gems: Amount = 0
    maintenance: bool = False
    rate_limit: RateLimit = RateLimit()
    gacha: Gacha
    crash: Crash = Crash()
    slot: Slot = Slot()
    rps: Rps = Rps()
