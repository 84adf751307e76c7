"""Waiting for a condition with a deadline, and the type of the `connect` fixture."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from croupier.transport import Transport

Connect: TypeAlias = Callable[..., Awaitable[Transport]]

_DEADLINE_S = 15.0


async def until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds; fail the test after 15 s."""
    try:
        async with asyncio.timeout(_DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"waited in vain for: {what}") from None


async def until_connected(transport: Transport, connection_number: int) -> None:
    await until(
        lambda: transport.connection_number >= connection_number and transport.identity is not None,
        f"connection number {connection_number}",
    )
