"""One course: machines, players, faults, and then the question whether all is as it must be. A seed decides it all."""

import asyncio
import hashlib
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import asyncpg

from croupier.errors import CroupierError
from croupier.partition import PartitionError
from croupier.pool import add_to_pool
from croupier.transport import Transport, TransportError
from croupier_sync.limits import Limits
from croupier_sync.push import push
from tests.simulation.economies import ECONOMY, OTHER
from tests.simulation.faults import go_wrong
from tests.simulation.invariants import broken
from tests.simulation.loop import Stuck, VirtualLoop, run
from tests.simulation.patching import product_in, scripts
from tests.simulation.players import OK, TRY_AGAIN, Front, Player
from tests.simulation.process import Process
from tests.simulation.world import SETTINGS, World

STARTED_AT_S: Final = 1_000.0
LIMITS: Final = Limits(batch_max=16, outbox_kept=24, heartbeat_s=0.4, silence_max_s=1.6)
HEALED_WITHIN_S: Final = 40.0
COURSE_S: Final = (1.5, 4.5)
LIFETIME_S: Final = 5.1
"""Later than that no attempt can run any more, and that it has not run can be said for certain."""

Say = Callable[..., None]


@dataclass
class Course:
    """What came of a seed. `digest` covers all that was said; two runs of a seed have the same."""

    seed: int
    broken: list[str]
    digest: str
    operations: int
    faults: int
    events: int
    simulated_s: float
    answers: dict[str, int] = field(default_factory=dict)


class Diary:
    """Everything that happens in a course, for the eyes of whoever traces it; and its digest."""

    def __init__(self, loop: VirtualLoop, show: Callable[[str], None] | None) -> None:
        self._loop = loop
        self._show = show
        self._hash = hashlib.sha256()
        self.faults = 0

    def say(self, what: str, *words: Any, **facts: Any) -> None:
        self.faults += what == "fault"
        line = f"{self._loop.now_s - STARTED_AT_S:9.4f} {what} " + " ".join(
            [*map(str, words), *(f"{name}={value}" for name, value in facts.items())]
        )
        if what != "log":  # which is told only to a trace
            self._hash.update(line.encode())
        if self._show is not None:
            self._show(line)

    def digest(self) -> str:
        return self._hash.hexdigest()[:16]


def simulate(seed: int, show: Callable[[str], None] | None = None, *, calm: bool = False) -> Course:
    """Run one seed; `calm`: nothing goes wrong in it. `show` is told what happens, line by line."""
    loop, chance = VirtualLoop(STARTED_AT_S), Random(f"simulation {seed}")
    loop.set_exception_handler(lambda *_: None)  # of killed processes nobody asks how their tasks ended
    diary = Diary(loop, show)
    world = World(loop, chance, diary.say)
    front = Front(world, Random(chance.random()))
    with product_in(
        loop, Random(chance.random()), world.postgres, ECONOMY, LIMITS, diary.say if show else None
    ):
        try:
            wrong = run(loop, _course(world, front, chance, calm=calm))
        except (TimeoutError, Stuck) as error:
            wrong = [str(error)]
        except Exception:  # a fault of the simulation itself fails its seed, and not all the others
            wrong = [traceback.format_exc()]
        finished_s = loop.now_s
        _tear_down(world)
    answers: dict[str, int] = {}
    for attempt in front.attempts:
        answers[attempt.status] = answers.get(attempt.status, 0) + 1
    return Course(
        seed, wrong, diary.digest(), len(front.attempts), diary.faults, len(world.postgres.rows("events")),
        finished_s - STARTED_AT_S, answers,
    )  # fmt: skip


async def _course(world: World, front: Front, chance: Random, *, calm: bool) -> list[str]:
    for number in range(chance.choice((1, 2, 2))):
        world.start_worker(f"worker {number}")
    for number in range(chance.choice((1, 1, 2))):
        world.start_daemon(f"daemon {number}")
    await world.settle(world.is_followed, 5.0, "the partition is open")
    if not calm:
        _make_weather(world, chance)
    until_s = world.loop.now_s + chance.uniform(*COURSE_S)
    players = [Player(front, uid, Random(chance.random())) for uid in range(1, chance.choice((3, 4, 6)))]
    async with asyncio.TaskGroup() as group:
        for player in players:
            group.create_task(player.play(until_s))
        group.create_task(
            go_wrong(
                world, Random(chance.random()), until_s, 0 if calm else chance.choice((0, 1, 2, 2, 3, 4))
            )
        )
        if chance.random() < 0.3:
            group.create_task(_operate(world, Random(chance.random()), until_s))
    await _heal(world)
    await _ask_again(front, chance)
    await world.settle(world.is_followed, HEALED_WITHIN_S, "Postgres holds the log")
    return broken(world, front)


def _make_weather(world: World, chance: Random) -> None:
    """A third of the courses has a good network, a third a poor one, and a third a dreadful one."""
    badness, weather = chance.choice((0.0, 0.3, 1.0)), world.weather
    weather.late = 0.05 * badness
    weather.split = 0.05 * badness
    weather.stalled = 0.003 * badness
    weather.lost = weather.cut_after = weather.orphaned = 0.004 * badness
    badness = chance.choice((0.0, 0.0, 0.3, 1.0))
    world.postgres_weather.lost_before = world.postgres_weather.lost_after = 0.01 * badness


async def _operate(world: World, chance: Random, until_s: float) -> None:
    """An operator adds stock, or puts another economy in force; what fails is not tried again."""
    process = Process(world.loop, "operator")

    async def work() -> None:
        transport = Transport(SETTINGS.redis_url)
        with suppress(
            TransportError,
            CroupierError,
            PartitionError,
            OSError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
        ):
            await transport.open()
            connection = await asyncpg.connect(SETTINGS.database_url, timeout=2.0, command_timeout=2.0)
            if chance.random() < 0.5:
                await push(transport, connection, OTHER)
            else:
                await add_to_pool(
                    transport, scripts(), 0, banner="main", rarity="Legendary", amount=3, reason="more"
                )
        process.kill()

    await asyncio.sleep(chance.uniform(0.0, max(0.0, until_s - world.loop.now_s)))
    world.say("operator")
    process.on_kill.append(lambda: world.close_connections_of(process))
    process.start(work())


async def _heal(world: World) -> None:
    """Nothing goes wrong any more, and everything that is to run does."""
    world.say("heal")
    world.weather.clear_up()
    world.postgres_weather.clear_up()
    for process in world.processes():
        process.go_on()
    await world.settle(world.is_followed, HEALED_WITHIN_S, "everything is healed")


async def _ask_again(front: Front, chance: Random) -> None:
    """Some keys are asked for once more, above all those that were left in doubt; and what became of attempts."""
    doubtful = [each for each in front.attempts if each.request.key and each.status in TRY_AGAIN]
    answered = [each for each in front.attempts if each.request.key and each.status == OK]
    for attempt in doubtful[-8:] + chance.sample(answered, min(4, len(answered))):
        await front.ask(attempt.request)
    if chance.random() < 0.2:
        await asyncio.sleep(LIFETIME_S)
    for attempt in [each for each in front.attempts if each.op_id and each.status in TRY_AGAIN][-6:]:
        await front.look_up(attempt)


def _tear_down(world: World) -> None:
    """End all tasks, also those of killed processes, now that nothing they do reaches anything."""
    loop = world.loop
    world.network.down = True
    world.postgres.crash()
    world.postgres.before_statement = world.postgres.after_statement = None
    for process in loop.processes:
        process.revive()
    for _ in range(20):
        left = [task for task in loop.started if not task.done()]
        if not left:
            break
        for task in left:
            task.cancel()
        run(loop, _some_turns())
    run(loop, loop.shutdown_asyncgens())
    loop.close()
    loop.started.clear()


async def _some_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0.5)
