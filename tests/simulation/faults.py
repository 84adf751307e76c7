"""What goes wrong with the machines of a course. Each fault ends by itself; which come, and when, is up to chance."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Final, TypeAlias

from tests.simulation.process import Process
from tests.simulation.valkey.log import Log
from tests.simulation.valkey.server import Valkey
from tests.simulation.world import World

Fault: TypeAlias = Callable[[World, Random], Coroutine[None, None, None]]


async def worker_killed(world: World, chance: Random) -> None:
    name = chance.choice(list(world.workers))
    world.workers[name].process.kill()
    await asyncio.sleep(chance.uniform(0.0, 0.6))
    world.start_worker(name)


async def daemon_killed(world: World, chance: Random) -> None:
    name = chance.choice(list(world.daemons))
    world.daemons[name].process.kill()
    await asyncio.sleep(chance.uniform(0.0, 0.6))
    world.start_daemon(name)


async def process_stopped(world: World, chance: Random) -> None:
    """Like SIGSTOP and SIGCONT, of a worker or a daemon."""
    await _stopped(chance.choice([each for each in world.processes() if each.alive]), chance, longest_s=3.0)


async def valkey_stopped(world: World, chance: Random) -> None:
    async with world.turn_of_valkey:
        await _stopped(world.valkey.process, chance, longest_s=1.6)


async def _stopped(process: Process, chance: Random, longest_s: float) -> None:
    process.stop()
    await asyncio.sleep(chance.uniform(0.05, longest_s))
    process.go_on()


async def valkey_killed(world: World, chance: Random) -> None:
    """Like kill -9: what was written is there again."""
    await _restarted(world, chance, lambda log: len(log.units))


async def valkey_lost_power(world: World, chance: Random) -> None:
    """What was written since the last fsync is lost, in part or whole."""
    fsync_s = world.loop.now_s - 1.0
    await _restarted(world, chance, lambda log: chance.randint(log.length_at(fsync_s), len(log.units)))


async def valkey_lost_tail(world: World, chance: Random) -> None:
    """Its log was truncated to any earlier length."""

    def kept(log: Log) -> int:
        length = len(log.units)
        return chance.choice((chance.randint(0, length), length - chance.randint(0, min(length, 9))))

    await _restarted(world, chance, kept)


async def valkey_emptied(world: World, chance: Random) -> None:
    await _restarted(world, chance, lambda _: 0)


async def _restarted(world: World, chance: Random, kept: Callable[[Log], int]) -> None:
    async with world.turn_of_valkey:
        log = world.valkey.log
        count = kept(log)
        world.say("valkey restarts", kept=count, of=len(log.units))
        world.kill(world.valkey)
        await asyncio.sleep(chance.uniform(0.02, 0.8))
        world.start_valkey(log.first(count))


async def failed_over(world: World, chance: Random) -> None:
    """A replica that lagged takes its master's place; the master may go on for a while, and come back as a replica.

    Perhaps it is promoted again: the same process, on whose connections nothing has happened. Or the failover is taken
    back, and the master never learned of it.
    """
    async with world.turn_of_valkey:
        old = world.valkey
        new = world.new_valkey(_replicated(world, old, chance))
        world.say("failover", kept=len(new.log.units), of=len(old.log.units))
        world.replace_valkey(new)
        if chance.random() < 0.4:
            world.kill(old)
            return
        for connection in list(old.connections):  # who loses the old one goes to the new one
            if chance.random() < 0.4:
                connection.link.hang_up()
        await asyncio.sleep(_at_once_or_within(0.7, chance))  # two masters
        if chance.random() < 0.25:
            world.say("failover taken back")
            world.replace_valkey(old)
            world.kill(new)
            return
        world.demote(old, new, new.log.first(len(new.log.units)))
        world.say("demoted")
        await asyncio.sleep(_at_once_or_within(0.8, chance))
        if chance.random() < 0.3:
            world.kill(old)
            return
        world.demote(old, new, _replicated(world, new, chance))
        old.promote()
        world.say("failover back", kept=len(old.log.units), of=len(new.log.units))
        world.replace_valkey(old)
        world.kill(new)


def _at_once_or_within(seconds: float, chance: Random) -> float:
    """Nobody notices what is over at once, unless by what it leaves."""
    return chance.choice((0.0, 0.02, chance.uniform(0.0, seconds)))


def _replicated(world: World, master: Valkey, chance: Random) -> Log:
    """What a replica has of a master's log."""
    lag_s = chance.choice((0.0, chance.uniform(0.0, 0.5)))
    return master.log.first(master.log.length_at(world.loop.now_s - lag_s))


async def postgres_crashed(world: World, chance: Random) -> None:
    world.postgres.crash()
    await asyncio.sleep(chance.uniform(0.0, 1.2))
    world.postgres.restart()


async def postgres_slow(world: World, chance: Random) -> None:
    world.postgres_weather.slow_s = chance.uniform(0.05, 0.5)
    await asyncio.sleep(chance.uniform(0.3, 1.5))
    world.postgres_weather.slow_s = 0.002


async def statement_held(world: World, chance: Random) -> None:
    """Some statement of a daemon, perhaps the COMMIT of a batch, is on its way for long."""
    world.held_statement = chance.randint(1, 14), chance.uniform(0.2, 2.5)


async def healer_struck(world: World, chance: Random) -> None:
    """Redis has lost events, and the daemon that heals it is killed or stopped while it does."""
    await chance.choice((valkey_lost_tail, valkey_emptied, failed_over))(world, Random(chance.random()))
    until_s = world.loop.now_s + 2.0
    while not world.is_being_healed():
        if world.loop.now_s > until_s:
            return
        await asyncio.sleep(0.003)
    await asyncio.sleep(chance.uniform(0.0, 0.06))
    for name, daemon in list(world.daemons.items()):
        if chance.random() < 0.5:
            daemon.process.kill()
            world.start_daemon(name)
        else:
            world.start_daemon("stand-by")
            await _stopped(daemon.process, chance, longest_s=3.0)


async def notices_lost(world: World, _chance: Random) -> None:
    """Whoever listens to channels hears nothing for a moment, because its connection is gone."""
    for connection in list(world.valkey.connections):
        if connection.channels:
            connection.link.hang_up()


FAULTS: Final[tuple[Fault, ...]] = (
    worker_killed, daemon_killed, daemon_killed, process_stopped, process_stopped, valkey_stopped, valkey_killed,
    valkey_lost_power, valkey_lost_power, valkey_lost_tail, valkey_lost_tail, valkey_emptied, failed_over, failed_over,
    failed_over, failed_over, failed_over, postgres_crashed, postgres_slow, notices_lost, statement_held,
    statement_held, healer_struck, healer_struck,
)  # fmt: skip


async def go_wrong(world: World, chance: Random, until_s: float, count: int) -> None:
    """So many faults until that time, one after the other or at once."""
    times_s = sorted(chance.uniform(world.loop.now_s, until_s) for _ in range(count))
    async with asyncio.TaskGroup() as group:
        for when_s in times_s:
            await asyncio.sleep(max(0.0, when_s - world.loop.now_s))
            fault = chance.choice(FAULTS)
            world.say("fault", fault.__name__)
            group.create_task(fault(world, Random(chance.random())))
