"""Computing beside the event loop, which meanwhile keeps Postgres busy."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

MANY: Final = 500
"""For fewer a thread costs more than it gains."""


async def beside(function: Callable[[Sequence[In]], Out], items: Sequence[In]) -> Out:
    """`function(items)`, in a thread where there are many: it must not touch what belongs to the event loop."""
    if len(items) < MANY:
        return function(items)
    return await asyncio.to_thread(function, items)
