"""A healer that fails at any of its steps: the next one comes to the same end."""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Literal

import asyncpg
import pytest

from croupier.scripts import Scripts
from croupier.transport import Transport
from croupier_sync.installation import read_installation
from croupier_sync.limits import DEFAULT_LIMITS
from croupier_sync.opening import Opener
from croupier_sync.position import read_position, take_epoch
from croupier_sync.projector import Projector
from croupier_sync.server import Server
from tests.sync.healed import require_whole
from tests.sync.rounds import Rounds
from tests.sync.support import OTHER_SERVER, PARTITION, Casino

STEPS_MIN = 20

_STEPS: dict[type, tuple[str, ...]] = {
    asyncpg.Connection: ("execute", "fetch", "fetchrow", "fetchval"),
    Transport: ("call", "run"),
}

When = Literal["before", "after"]


class StepFailed(Exception):
    """What the chosen step raises."""


class Steps:
    """Counts the calls to Redis and Postgres, and fails at the chosen one, before it or once it was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.failing = 0
        self.when: When = "before"
        for owner, names in _STEPS.items():
            for name in names:
                monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def step(*args: Any, **options: Any) -> Any:
            self.count += 1
            fails = self.count == self.failing
            if fails and self.when == "before":
                raise StepFailed
            result = await method(*args, **options)
            if fails:
                raise StepFailed
            return result

        return step


async def _open(casino: Casino, steps: Steps, failing: int) -> None:
    """Open the partition as a daemon does, with a connection of its own, and fail at that step; 0: at none."""
    installation = await read_installation(casino.connection)
    connection = await asyncpg.connect(casino.database_url)
    try:
        opener = Opener(connection, Scripts(), Projector(), PARTITION, DEFAULT_LIMITS)
        steps.count, steps.failing = 0, failing
        await opener.open(Server(casino.transport), installation)
    finally:
        steps.failing = 0
        connection.terminate()


async def _empty(casino: Casino) -> None:
    await casino.administer("FLUSHALL")


async def _fork(casino: Casino) -> None:
    await Rounds(Random(2)).play(casino.unfollowed_engine(), 3, players=2)
    await take_epoch(casino.connection, await read_position(casino.connection, PARTITION), OTHER_SERVER)


async def _lose_the_end(casino: Casino) -> None:
    async with casino.daemon():
        await Rounds(Random(3)).play(casino.unfollowed_engine(), 3, players=2)
        await casino.until_caught_up()
    for event in (await casino.log())[-2:]:
        await casino.administer("XDEL", await casino.stream(), event.id.entry)
        for change in event.changes:
            await casino.transport.call("DEL", change.key)
    await casino.pretend_restart()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("breaking", [_empty, _fork, _lose_the_end])
async def test_given_a_healer_that_fails_at_any_step_when_another_follows_then_the_end_is_the_same(
    casino: Casino, monkeypatch: pytest.MonkeyPatch, breaking: Callable[[Casino], Awaitable[None]], when: When
) -> None:
    async with casino.daemon():
        await casino.until_open()
        await Rounds(Random(1)).play(casino.unfollowed_engine(), 20)
        await casino.until_caught_up()
    head = await casino.head()
    assert head is not None
    with monkeypatch.context() as patch:
        steps = Steps(patch)
        steps.when = when
        for number in range(1, 1_000):
            await breaking(casino)
            expected = await casino.mirror()
            try:
                await _open(casino, steps, number)
            except StepFailed:
                await _open(casino, steps, 0)
            else:
                assert number > STEPS_MIN
                break
            async with casino.daemon():
                await casino.until_caught_up()
            assert await casino.durable_state() == expected
            after = await casino.head()
            assert after is not None and (after.economy, after.schema) == (head.economy, head.schema)
            await require_whole(casino)
