"""What is done at most once per key, for ever: Redis need not keep the key once Postgres has the event."""

import asyncio
from collections.abc import Sequence
from typing import Final

from croupier.durability import ONCE_TYPES
from croupier.op_id import OP_LIFETIME_MS
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_sync.server import Server

# The transport refuses what is more than it may have in flight.
_AT_ONCE: Final = 500


async def let_keys_expire(server: Server, events: Sequence[Event], kept_s: float) -> None:
    """Give the keys of these events, which Postgres has, `kept_s` more seconds in Redis.

    A command that did not find the event in Postgres, because that was before this batch, must still find the key. So
    keys stay for as long as a command may live at least. A daemon that ends between the batch and this leaves them for
    good; that costs their memory and nothing else.
    """
    kept_ms = max(int(kept_s * 1000), OP_LIFETIME_MS)
    names = [
        keys.idempotency(event.id.partition, event.header.uid, event.header.idempotency_key)
        for event in events
        if event.header.type in ONCE_TYPES and event.header.idempotency_key
    ]
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        await asyncio.gather(*(server.call("PEXPIRE", name, kept_ms) for name in some))
