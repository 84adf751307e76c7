"""Adding stock to a banner's limited pool, while players draw from it."""

from typing import Final, NamedTuple

from croupier.partition import (
    FENCED_ATTEMPTS_MAX,
    PartitionError,
    Redis,
    read_open_head,
    system_header,
)
from croupier.scripts import Scripts
from croupier_schemas import keys
from croupier_schemas.economy import Rarity
from croupier_schemas.events import EventId

ADDED_MAX: Final = 10**12
"""Most that is added at once, in items."""

STOCK_MAX: Final = 10**15
"""Most that a pool may hold, in items; Lua's numbers hold it exactly."""


class Added(NamedTuple):
    """What the stock was and is, in items, and the id of the event that says so."""

    before: int
    after: int
    event_id: str


async def add_to_pool(
    redis: Redis, scripts: Scripts, partition: int, *, banner: str, rarity: Rarity, amount: int, reason: str
) -> Added:
    """Add `amount` items, from 1 to `ADDED_MAX`, to a pool that exists. Not to be repeated blindly: each call adds.

    The event `pool.added` keeps [banner, rarity, amount, reason] as its terms. Raises CroupierError NOT_READY when the
    partition is closed, and PartitionError when there is no such pool, when it would hold more than `STOCK_MAX`, and
    when the partition keeps changing under our hands; nothing was added then.
    """
    assert 1 <= amount <= ADDED_MAX
    script = scripts["pool.add"]
    for _ in range(FENCED_ATTEMPTS_MAX):
        head = await read_open_head(redis, partition)
        header = system_header("pool.added", head.economy, [banner, rarity, amount, reason])
        answer = await redis.run(
            script,
            [keys.outbox(partition, head.fence), keys.pool(partition, banner)],
            script.argv(amount, STOCK_MAX, str(head.epoch), header, rarity),
        )
        match answer:
            case [b"OK", bytes(entry), bytes(before), bytes(after)]:
                return Added(int(before), int(after), str(EventId.of_entry(partition, entry)))
            case [b"NO_POOL"]:
                raise PartitionError(f"banner {banner!r} has no limited pool of {rarity}")
            case [b"POOL_FULL", bytes(stock)]:
                raise PartitionError(
                    f"the pool holds {int(stock):,} already and may hold {STOCK_MAX:,} at most: nothing was added"
                )
    raise PartitionError(f"partition {partition} changed {FENCED_ATTEMPTS_MAX} times meanwhile; try again")
