"""Computing beside the event loop, which meanwhile keeps Postgres busy."""

import asyncio
import gc
import sys
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

MANY: Final = 500
"""For fewer a thread costs more than it gains."""

_ALLOCATIONS_BETWEEN_COLLECTIONS: Final = 100_000
_SWITCH_INTERVAL_S: Final = 0.0005


def tune_interpreter() -> None:
    """Set up the whole process for working on many events beside the event loop.

    Each event makes some twenty objects that are in no cycle, and looking for cycles again and again took a fifth of
    the daemon's time. And the loop, when it has something for Postgres, waits for the other thread until the
    interpreter switches: with the usual 5 ms a backlog took a sixth longer.
    """
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


async def beside(function: Callable[[Sequence[In]], Out], items: Sequence[In]) -> Out:
    """`function(items)`, in a thread where there are many: it must not touch what belongs to the event loop."""
    if len(items) < MANY:
        return function(items)
    return await asyncio.to_thread(function, items)
