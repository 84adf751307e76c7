"""A banner read rarity by rarity."""

from croupier_schemas.economy import Banner, Item, PityRule, Rarity


def weight_of(banner: Banner, rarity: Rarity) -> int:
    """Weight of the rarity before any pity, in parts per million."""
    weight: int = getattr(banner.weights_ppm, rarity)
    return weight


def items_of(banner: Banner, rarity: Rarity) -> tuple[Item, ...]:
    """The rarity's items as listed in the economy."""
    items: tuple[Item, ...] = getattr(banner.items, rarity)
    return items


def drawing_order(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """A rarity's items in the order in which a roll counts through them: featured first, else as listed."""
    return tuple(sorted(items, key=lambda item: not item.featured))


def pity_of(banner: Banner, rarity: Rarity) -> PityRule | None:
    """The rarity's pity rule; None if it has none, as Common never does."""
    rule: PityRule | None = getattr(banner.pity, rarity, None)
    return rule


def stock_of(banner: Banner, rarity: Rarity) -> int | None:
    """What a new pool holds of the rarity; None if it is unlimited, as Common always is."""
    stock: int | None = getattr(banner.stock, rarity, None)
    return stock
