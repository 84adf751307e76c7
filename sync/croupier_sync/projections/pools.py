"""What events mean for the limited stock of banners."""

from collections import Counter

import msgspec

from croupier.clock import utc
from croupier_schemas import keys
from croupier_schemas.economy import RARITIES
from croupier_schemas.events import Event
from croupier_schemas.records import DRAW_STOCK_SEEN, GACHA, GACHA_DRAW
from croupier_sync.rows import PoolRow

_HOUR_MS = 3_600_000


def pool_rows(event: Event, _economies: object = None) -> list[PoolRow]:
    """A row for each pool whose stock the event changed; most change none."""
    images = [
        (change.key.split(":", 2)[2], change.field, int(change.value or b"0"))
        for change in event.changes
        if change.field and keys.kind(change.key.encode()) == "pool"
    ]
    if not images:
        return []
    drawn, added = _drawn(event), _added(event)
    hour = utc(event.ts_ms // _HOUR_MS * _HOUR_MS)
    return [
        PoolRow(
            event.id.partition, banner, rarity, hour, remaining, drawn[rarity],
            remaining if added is None else added, event.id.epoch, event.id.seq,
        )
        for banner, rarity, remaining in images
    ]  # fmt: skip


def _drawn(event: Event) -> Counter[str]:
    """Items that the event took out of pools, by rarity."""
    if event.header.type != "gacha.pulled":
        return Counter()
    draws = (
        GACHA_DRAW.unpack(event.result, start)
        for start in range(GACHA.size, len(event.result), GACHA_DRAW.size)
    )
    return Counter(
        RARITIES[draw.rarity - 1]
        for draw in draws
        if draw.flags & DRAW_STOCK_SEEN and not draw.downgraded_from
    )


def _added(event: Event) -> int | None:
    """Items that the event put into its pool; None where it made the pool, so that all in it is new."""
    match event.header.type:
        case "pool.added":
            _banner, _rarity, amount, _reason = msgspec.msgpack.decode(
                event.header.terms, type=tuple[str, str, int, str]
            )
            return amount
        case "economy.changed":
            return None
    return 0
