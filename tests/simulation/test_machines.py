"""The parts of the simulated world do what they are named for."""

import asyncio
from collections.abc import Coroutine, Iterator
from random import Random
from typing import Any

import pytest

from croupier.transport import OutcomeUnknown, Transport
from tests.simulation.loop import Stuck, VirtualLoop, run
from tests.simulation.network import Network, Weather
from tests.simulation.process import Process
from tests.simulation.valkey.log import Log
from tests.simulation.valkey.server import Valkey


class Machines:
    """A process and a Valkey, with a network between them."""

    def __init__(self) -> None:
        self.loop = VirtualLoop(100.0)
        self.weather = Weather(Random(1))
        self.network = Network(self.loop, self.weather)
        self.loop.dialler = self.network
        self.valkey = Valkey(self.loop, "valkey", Log(), Random(2), lambda: int(self.loop.now_s * 1_000))
        self.network.hosts["valkey"] = self.valkey
        self.process = Process(self.loop, "client")

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        async def inside() -> Any:
            return await self.process.start(main)

        return run(self.loop, inside())


@pytest.fixture
def machines() -> Iterator[Machines]:
    made = Machines()
    yield made
    for process in made.loop.processes:
        process.revive()
    for task in made.loop.started:
        task.cancel()
    run(made.loop, asyncio.sleep(1.0))
    made.loop.close()


def test_given_timers_when_nothing_is_ready_then_time_jumps_to_the_next_one(machines: Machines) -> None:
    machines.run(asyncio.sleep(86_400.0))

    assert machines.loop.now_s == 86_500.0


def test_given_nothing_left_to_do_when_somebody_waits_then_that_is_said(machines: Machines) -> None:
    with pytest.raises(Stuck):
        machines.run(asyncio.Event().wait())


def test_given_a_process_when_it_is_killed_then_not_even_finally_runs(machines: Machines) -> None:
    happened: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(1.0)
            happened.append("done")
        finally:
            happened.append("finally")

    async def kill() -> None:
        machines.process.start(work())
        await asyncio.sleep(0.5)
        machines.process.kill()
        await asyncio.sleep(5.0)

    run(machines.loop, kill())

    assert happened == []


def test_given_a_process_when_it_is_stopped_then_it_goes_on_where_it_was(machines: Machines) -> None:
    async def work() -> float:
        await asyncio.sleep(1.0)
        return machines.loop.now_s

    async def stop() -> float:
        task = machines.process.start(work())
        await asyncio.sleep(0.5)
        machines.process.stop()
        await asyncio.sleep(7.0)
        machines.process.go_on()
        return await task

    assert run(machines.loop, stop()) == 107.5


@pytest.mark.parametrize("fate", ["lost", "cut_after", "orphaned"])
def test_given_a_connection_that_breaks_when_a_command_was_written_then_its_outcome_is_unknown_and_may_be_late(
    machines: Machines, fate: str
) -> None:
    async def ask() -> None:
        transport = Transport("redis://valkey:1")
        await transport.open()
        setattr(machines.weather, fate, 1.0)
        with pytest.raises(OutcomeUnknown):
            await transport.call("SET", "key", "value")
        seen_at_once = b"key" in machines.valkey.store.keys
        machines.weather.clear_up()
        await asyncio.sleep(3.0)
        assert seen_at_once == (fate == "cut_after")
        assert (b"key" in machines.valkey.store.keys) == (fate != "lost")
        await transport.close()

    machines.run(ask())


def test_given_a_server_that_is_killed_when_it_starts_with_a_part_of_its_log_then_the_end_is_lost(
    machines: Machines,
) -> None:
    for number in range(4):
        machines.valkey.execute([b"SET", b"key", b"%d" % number])

    again = Valkey(machines.loop, "valkey", machines.valkey.log.first(2), Random(3), lambda: 0)

    assert again.store.keys == {b"key": b"1"}
    assert again.run_id != machines.valkey.run_id
