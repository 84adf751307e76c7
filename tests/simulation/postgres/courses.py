"""Random courses of what daemons and engines do in Postgres, the same ones on each side: a seed decides every step."""

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from croupier import ops, partition_state, room
from croupier.command import Caller
from croupier.durability import _ASK, Durability
from croupier.errors import CroupierError
from croupier.event_log import find_event, player_held
from croupier.history import daily_remaining, history, ledger
from croupier.query import Sources
from croupier.rewards.queries import rewards
from croupier.scripts import Scripts
from croupier.stats import user_stats
from croupier_schemas.events import Event, EventId
from croupier_schemas.rewards import RewardsQuery
from croupier_schemas.stats import UserStatsQuery
from croupier_schemas.wallet import HistoryQuery, LedgerQuery
from croupier_sync import comparing, dead_letters, healing, outbox, rebuild, restoring
from croupier_sync.adopting import _ADVANCE, _CLEAR, _MIRROR_COLUMNS, _RECORD
from croupier_sync.batch import apply
from croupier_sync.digests import row_of
from croupier_sync.errors import SyncError
from croupier_sync.installation import read_installation
from croupier_sync.position import Position, read_position, take_epoch
from croupier_sync.postgres import require_durable, try_lock
from croupier_sync.projector import Projector
from croupier_sync.rows import DailyRow, EconomyRow
from croupier_sync.status import State, Status, record
from croupier_sync.tables import TABLES, insert_economies
from tests.simulation.postgres.sides import Side

PARTITION: Final = 0
PLAYERS: Final = (1, 2, 3)


def spoilt(event: Event, rng: Random) -> Event:
    """Now and then an event that projections or tables refuse."""
    match rng.randrange(12):
        case 0:
            return replace(event, result=b"")
        case 1 if event.header.type == "rewards.granted":
            terms = msgspec.msgpack.decode(event.header.terms)
            terms = [-1 if isinstance(part, int) else part for part in terms]
            return replace(
                event, header=replace(event.header, terms=msgspec.Raw(msgspec.msgpack.encode(terms)))
            )
        case 2:
            return replace(event, changes=())
    return event


class Course:
    """One course on one side. `outcomes` are the results and errors of its steps, by which two sides are compared."""

    def __init__(self, side: Side, seed: int, log: Sequence[Event]) -> None:
        self._side = side
        self._rng = Random(seed)
        self._log = log
        self._projector = Projector()
        self._position = Position(PARTITION, None, 0, "")
        self._old = self._position
        self._applied: list[Event] = []
        self.outcomes: list[tuple[str, Any]] = []
        self._steps: Sequence[Callable[[], Awaitable[Any]]] = (
            *[self.batch] * 8, self.stale_batch, self.batch_again, self.epoch, self.stale_epoch, self.lock, self.state,
            self.durable, self.once, self.operation, self.pages, self.trimming, self.heal, self.compared, self.restored,
            self.letters, self.late_rows, self.economy, self.adopted, self.undone,
        )  # fmt: skip

    async def run(self, steps: int) -> None:
        """Take so many steps."""
        self._own, self._other = await self._side.connect(), await self._side.connect()
        await require_durable(self._own)
        await read_installation(self._own)
        self._position = await read_position(self._own, PARTITION)
        await self.epoch()
        for _ in range(steps):
            step = self._rng.choice(self._steps)
            try:
                outcome = await step()
            except (SyncError, CroupierError) as error:
                outcome = (type(error).__name__, str(error))
            self.outcomes.append((step.__name__, outcome))

    # The daemon.

    def _next(self, count: int) -> list[Event]:
        """Events that would follow the cursor, made of those of a real log."""
        cursor = self._position.cursor
        epoch = self._position.taken_epoch
        seq = cursor.seq + 1 if cursor and cursor.epoch == epoch else 0
        events = []
        for number in range(count):
            event = spoilt(self._log[(len(self._applied) + number) % len(self._log)], self._rng)
            header = replace(event.header, op_id=self._rng.randbytes(16))
            events.append(replace(event, id=EventId(PARTITION, epoch, seq + number), header=header))
        return events

    async def _apply(self, position: Position, events: Sequence[Event]) -> Position:
        return await apply(self._own, self._projector, position, events)

    async def batch(self) -> Position:
        events = self._next(self._rng.randint(1, 12))
        self._old, self._position = self._position, await self._apply(self._position, events)
        self._applied += events
        return self._position

    async def stale_batch(self) -> Position:
        return await self._apply(self._old, self._next(2))

    async def batch_again(self) -> Position:
        """An event that Postgres has already, as after a cursor that an operator has set back."""
        if not self._applied:
            return self._position
        return await self._apply(self._position, [self._rng.choice(self._applied)])

    async def epoch(self) -> int:
        above = self._rng.choice([0, 0, self._position.taken_epoch + 2])
        identity = self._rng.choice(["a", "b"])
        self._old = self._position
        epoch = await take_epoch(self._own, self._position, identity, above=above)
        self._position = await read_position(self._own, PARTITION)
        return epoch

    async def stale_epoch(self) -> int:
        return await take_epoch(self._own, self._old._replace(taken_epoch=self._old.taken_epoch - 1), "c")

    async def lock(self) -> Any:
        return [await try_lock(self._rng.choice([self._own, self._other]), 0) for _ in range(2)]

    async def state(self) -> Any:
        states: list[State] = ["following", "healing", "stopped"]
        state = self._rng.choice(states)
        await record(self._own, Status(PARTITION, state, self._rng.choice(["", "fork"]), "what happened"))
        said = await partition_state.partition_states(self._side.pool)
        return [each[:4] for each in said], await partition_state.heals(self._side.pool)

    async def trimming(self) -> Any:
        rows = await self._own.fetch(outbox._KEPT_FROM, PARTITION, self._rng.randrange(40))
        return [tuple(row) for row in rows], await self._own.fetchval(healing._SIGN_OF_LIFE)

    async def economy(self) -> None:
        version = self._rng.choice(["aa", "bb"])
        await insert_economies(self._own, [EconomyRow(version, version.encode())] * 2)

    async def late_rows(self) -> None:
        """Rows of a projection in any order, as dead letters bring them."""
        days = [
            DailyRow(self._rng.randint(1, 2), uid, "VIP", self._rng.randrange(99), 1, self._rng.randrange(50))
            for uid in self._rng.sample(PLAYERS, 2)
        ]
        await TABLES[DailyRow].write(self._own, days)

    async def letters(self) -> Any:
        letters = await dead_letters.dead_letters(self._own)
        some = self._rng.sample(letters, min(3, len(letters)))
        replayed = [each.error async for each in dead_letters.replay(self._own, some)]
        left = await dead_letters.dead_letters(self._own)
        return replayed, [each._replace(created_at=None) for each in left]  # type: ignore[arg-type]

    async def undone(self) -> None:
        """A batch whose daemon ends before it commits."""
        daemon = await self._side.connect()
        transaction = daemon.transaction()
        await transaction.start()
        await apply(daemon, self._projector, self._position, self._next(3))
        daemon.terminate()

    # Openers, healers, and operators.

    async def heal(self) -> Any:
        epoch = self._rng.randint(1, 20)
        arguments = (PARTITION, epoch, "fork", "1-1", None, ["1-2", "1-1"], None, True)
        try:
            await self._own.execute(healing._BEGIN, *arguments)
        except Exception as error:
            return type(error).__name__, str(error)
        if self._rng.random() < 0.5:
            await self._own.execute(healing._END, PARTITION, epoch, 0.5)
        return await self._own.fetchval(healing._ECONOMY, PARTITION)

    async def compared(self) -> Any:
        wanted = self._rng.sample(self._applied, min(5, len(self._applied)))
        entries = [event.id.entry.encode() for event in wanted] + [b"99-1"]
        at = self._rng.choice(self._applied).id if self._applied else EventId(PARTITION, 0, 0)
        return (
            await comparing._held(self._own, PARTITION, entries),
            await comparing._parted_at(self._own, "", at, []),
            sorted(await restoring.changed_since(self._own, at)),
            tuple(await self._own.fetchrow(healing._EVENT, PARTITION, at.epoch, at.seq) or ()),
        )

    async def restored(self) -> Any:
        at = self._rng.choice([None, *(event.id for event in self._applied)])
        names = {change.key for event in self._rng.sample(self._log, 4) for change in event.changes}
        last_ms = max(event.ts_ms for event in self._log)
        replies = restoring.replies(
            self._own, Scripts(), PARTITION, at, now_ms=last_ms + 1_000, kept_ms=self._rng.choice([1, 10**9])
        )
        found = [
            [
                # The fields of a hash have no order.
                [set(command[1:]) if command[0] == "HSET" else command for command in part]
                async for part in restoring.mirrored(self._own, PARTITION, names)
            ],
            [part async for part in replies],
            await rebuild.digest_of_mirror(self._own, PARTITION),
            await self._own.fetchval(rebuild._ROWS, PARTITION),
        ]
        indexes = [command async for part in restoring.indexes(self._own, PARTITION) for command in part]
        return found, sorted(indexes, key=repr)

    async def adopted(self) -> Any:
        """What `adopt` does, with a mirror of two rows, and rolled back every other time."""
        transaction, cursor = self._own.transaction(), self._position.cursor
        if cursor is None:
            return None
        await transaction.start()
        await self._own.execute(_CLEAR, PARTITION)
        rows = [(PARTITION, "{0}:player:1", field, b"x", cursor.epoch, cursor.seq) for field in ("", "f")]
        await self._own.copy_records_to_table("mirror", records=rows, columns=_MIRROR_COLUMNS)
        skipped = self._position.taken_epoch + 1
        moved = await self._own.fetchval(_ADVANCE, *self._position.compared, *cursor, skipped)
        missed = await self._own.fetchval(_ADVANCE, PARTITION, 1, 1, b"no", *cursor, skipped)
        if self._rng.random() < 0.7:
            await transaction.rollback()
            return moved, missed
        try:
            await self._own.execute(_RECORD, PARTITION, "1-1", self._rng.choice(self._applied).id.entry)
        except Exception as error:
            await transaction.rollback()
            return type(error).__name__, str(error)
        await transaction.commit()
        self._position = await read_position(self._own, PARTITION)
        return moved, missed

    # The engine.

    async def durable(self) -> Any:
        if not self._applied:
            return None
        event = self._rng.choice(self._applied)
        asked = [event.id, EventId(PARTITION, self._position.taken_epoch, 10**6), EventId(PARTITION, 0, 5)]
        places = zip(*((each.partition, each.epoch, each.seq) for each in asked), strict=True)
        rows = await self._side.pool.fetch(_ASK, *map(list, places))
        waiting = Durability(self._side.pool, timeout_s=20.0)
        await waiting.wait(event.id, self._rng.choice([event.header.op_id, b"another one"]))
        return [tuple(row) for row in rows]

    async def once(self) -> Any:
        durability = Durability(self._side.pool, timeout_s=5.0)
        event = self._rng.choice(self._applied or self._log)
        found = await durability.first(event.header.uid, event.header.idempotency_key)
        return found and row_of(found)

    async def operation(self) -> Any:
        event = self._rng.choice([*self._applied, *self._log[:2]])
        rows = [
            await ops._row(self._side.pool, ops._CURSOR, PARTITION),
            await ops._row(self._side.pool, ops._EVENT, PARTITION, event.header.op_id),
            *await self._side.pool.fetch(room._CURSORS),
        ]
        sources = Sources(None, self._side.pool)  # type: ignore[arg-type]
        known = await find_event(sources, event.id) if event in self._applied else None
        player = await player_held(sources, event.header.uid)
        return [row and tuple(row) for row in rows], known and row_of(known), player

    async def pages(self) -> Any:
        uid, rng = self._rng.choice(PLAYERS), self._rng
        caller = Caller(uid, "STANDARD", "user", bytes(16))
        sources = Sources(None, self._side.pool)  # type: ignore[arg-type]
        if self._position.cursor is None:
            return None  # `as_of` is then the time at which the installation was made
        rounds = await history(
            sources, caller, HistoryQuery(limit=rng.randint(1, 5), offset=rng.choice([0, 3]))
        )
        lines = await ledger(sources, caller, LedgerQuery(limit=3))
        more = await ledger(sources, caller, LedgerQuery(limit=3, cursor=lines.next_cursor))
        granted = await rewards(sources, caller, RewardsQuery(uid, limit=rng.randint(1, 5)))
        played = await user_stats(sources, caller, UserStatsQuery(uid))
        day = rng.choice([0, max(event.ts_ms for event in self._log) // 86_400_000])
        return rounds, lines, more, granted, played, await daily_remaining(self._side.pool, day)
