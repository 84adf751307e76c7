"""One draw in plain Python, from docs/fairness.md alone. Banners are plain dicts, as their JSON form reads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

RARITIES = ("Legendary", "Epic", "Rare", "Common")
PITIED = RARITIES[:3]

Banner = Mapping[str, Any]


@dataclass
class Progress:
    """One player's history on one banner."""

    since: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PITIED, 0))
    guaranteed: bool = False
    delivered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RARITIES, 0))

    def pity(self) -> dict[str, object]:
        """As replies show it."""
        return {**self.since, "guaranteed": self.guaranteed}


class Draw(NamedTuple):
    """One draw. `place` is the item's in the drawing order of its rarity."""

    rarity: str
    item_id: str
    place: int
    near_miss: bool
    hard_pity: bool
    guaranteed: bool
    downgraded_from: str | None
    stock_seen: int | None


def soft_weights(banner: Banner, since: Mapping[str, int]) -> dict[str, int]:
    """Weights of the next draw in ppm, with soft pity and without hard pity."""
    weights = {rarity: banner["weights_ppm"][rarity] for rarity in RARITIES}
    for rank, rarity in enumerate(PITIED):
        soft = (banner["pity"][rarity] or {}).get("soft")
        if not soft:
            continue
        steps_taken = since[rarity] + 1 - soft["from_draw"] + 1
        wanted = max(0, steps_taken) * soft["step_ppm"]
        for giver in reversed(RARITIES[rank + 1 :]):
            given = min(wanted, weights[giver])
            weights[giver] -= given
            weights[rarity] += given
            wanted -= given
    return weights


def due_rarity(banner: Banner, since: Mapping[str, int]) -> str | None:
    """The highest rarity whose hard pity decides the next draw."""
    for rarity in PITIED:
        hard = (banner["pity"][rarity] or {}).get("hard")
        if hard and since[rarity] + 1 >= hard:
            return rarity
    return None


def rolled_rarity(weights: Mapping[str, int], r: int) -> str:
    """The first rarity whose cumulative weight exceeds r."""
    total = 0
    for rarity in RARITIES:
        total += weights[rarity]
        if r < total:
            return rarity
    raise AssertionError(f"r = {r} is beyond the weights {weights}")


def pick(items: list[dict[str, Any]], u: float) -> int:
    """Index of the first item whose cumulative weight exceeds floor(u * weight); the last one otherwise."""
    threshold = math.floor(u * sum(item["weight"] for item in items))
    total = 0
    for index, item in enumerate(items):
        total += item["weight"]
        if threshold < total:
            return index
    return len(items) - 1


def drawing_order(banner: Banner, rarity: str) -> list[dict[str, Any]]:
    """The rarity's items: featured first, else as listed."""
    items = banner["items"][rarity]
    return [item for item in items if item["featured"]] + [item for item in items if not item["featured"]]


def draw(banner: Banner, progress: Progress, stock: dict[str, int], u_rarity: float, u_item: float) -> Draw:
    """Draw once, and move `progress` and `stock` on. `stock` has exactly the limited rarities."""
    weights = soft_weights(banner, progress.since)
    due = due_rarity(banner, progress.since)
    r = math.floor(u_rarity * 1_000_000)
    rarity = due or rolled_rarity(weights, r)

    stock_seen = stock.get(rarity)
    downgraded_from = rarity if stock_seen == 0 else None
    if downgraded_from:
        rarity = "Common"
    elif stock_seen is not None:
        stock[rarity] -= 1

    items = drawing_order(banner, rarity)
    rate_up = banner["rate_up"] == rarity
    guaranteed = rate_up and progress.guaranteed
    index = pick([item for item in items if item["featured"]] if guaranteed else items, u_item)
    if rate_up:
        progress.guaranteed = not items[index]["featured"]

    for each in PITIED:
        progress.since[each] = 0 if each == rarity else progress.since[each] + 1
    progress.delivered[rarity] += 1
    miss_from = weights["Legendary"]
    near = miss_from <= r < miss_from + banner["near_miss_ppm"] and not due and not downgraded_from
    return Draw(
        rarity, items[index]["id"], index, near, due is not None, guaranteed, downgraded_from, stock_seen
    )
