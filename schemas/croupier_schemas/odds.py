"""Types of the disclosed odds of a banner: what players, and those who check on their behalf, are told.

A chance that follows from the economy alone is exact: a fraction in lowest terms beside its decimal form.
What comes out in the long run, pity included, is computed in floating point and given to six significant
digits.
"""

from msgspec import Struct

from croupier_schemas.economy import Rarity, RarityWeights


class Probability(Struct, frozen=True, kw_only=True):
    """An exact probability: `numerator / denominator` in lowest terms; `percent` is rounded to ten digits."""

    numerator: int
    denominator: int
    percent: str


class LongRun(Struct, frozen=True, kw_only=True):
    """Share of all draws that deliver something, with pity and guarantee but unlimited stock.

    `expected_draws` is the average number of draws from one delivery to the next; null if it is never
    delivered.
    """

    percent: str
    expected_draws: str | None


class ItemOdds(Struct, frozen=True, kw_only=True):
    """One item. `probability` is per draw, before any pity and while no guarantee is due.

    `probability_guaranteed` is the same while a guarantee is due: null outside the rate-up rarity.
    """

    id: str
    weight: int
    featured: bool
    probability: Probability
    probability_guaranteed: Probability | None
    long_run: LongRun | None


class SoftPityRow(Struct, frozen=True, kw_only=True):
    """The weights at draw `draw` since this rarity was last delivered, the other counters being 0."""

    draw: int
    weights_ppm: RarityWeights


class SoftPityOdds(Struct, frozen=True, kw_only=True):
    """Soft pity of a rarity, and the weights it leads to, until they no longer change."""

    from_draw: int
    step_ppm: int
    table: tuple[SoftPityRow, ...]


class RarityOdds(Struct, frozen=True, kw_only=True):
    """One rarity. `initial_stock` is what a new pool holds, null for unlimited; `items` in drawing order."""

    rarity: Rarity
    weight_ppm: int
    probability: Probability
    hard_pity: int | None
    soft_pity: SoftPityOdds | None
    initial_stock: int | None
    long_run: LongRun | None
    items: tuple[ItemOdds, ...]


class GuaranteeOdds(Struct, frozen=True, kw_only=True):
    """How likely an item of the rate-up rarity is a featured one: while none is due, and in the long run."""

    rarity: Rarity
    featured: Probability
    featured_long_run: Probability


class Rules(Struct, frozen=True, kw_only=True):
    """How the numbers are used, in sentences; the same for every banner."""

    rarity: str
    item: str
    hard_pity: str
    soft_pity: str
    guarantee: str
    stock: str
    near_miss: str
    long_run: str
    precision: str


class Odds(Struct, frozen=True, kw_only=True):
    """The disclosed table of one banner, rarities from the highest down.

    Every `long_run` is null if it could not be computed, which takes pity rules far longer than usual.
    """

    banner: str
    enabled: bool
    rarities: tuple[RarityOdds, ...]
    guarantee: GuaranteeOdds | None
    near_miss_ppm: int
    rules: Rules
