"""Computing beside the event loop, which meanwhile keeps Postgres busy."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

MANY: Final = 500
"""For fewer a thread costs more than it gains."""


_ALLOCATIONS_BETWEEN_COLLECTIONS: Final = 100_000


def collect_rarely() -> None:
    """Look for garbage in cycles less often than Python does by itself, in all of this process.

    Each event makes some twenty objects that are in no cycle, and looking at those of a backlog again and again took a
    fifth of the daemon's time.
    """
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)


async def beside(function: Callable[[Sequence[In]], Out], items: Sequence[In]) -> Out:
    """`function(items)`, in a thread where there are many: it must not touch what belongs to the event loop."""
    if len(items) < MANY:
        return function(items)
    return await asyncio.to_thread(function, items)
