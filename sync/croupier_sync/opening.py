"""Opening a partition: at the first start, after every start of Redis, after an alarm.

Postgres wins: only what it holds, or what extends that without a gap, is carried into a new epoch. The steps are
close, drain, take the epoch, heal where Redis does not hold what Postgres holds, open. Each may be the last one that
happens: the next opener begins again with the first. Several openers at once are harmless: each step compares what it
was decided on, in the place that it changes.
"""

import asyncpg
import structlog

from croupier import partition as partitions
from croupier.partition import Head, PartitionError
from croupier.scripts import Scripts
from croupier_schemas import keys
from croupier_sync.batch import apply
from croupier_sync.batch_size import BatchSize
from croupier_sync.errors import HEALABLE, Alarm
from croupier_sync.healing import UNFINISHED, Cause, Healer
from croupier_sync.installation import Installation
from croupier_sync.limits import Limits
from croupier_sync.once import let_keys_expire
from croupier_sync.outbox import CursorMissing, diagnosis, read_after
from croupier_sync.position import Position, read_position, take_epoch
from croupier_sync.projector import Projector
from croupier_sync.server import Server
from croupier_sync.status import Status, record

log = structlog.get_logger(__name__)

ATTEMPTS_MAX = 20


class Opener:
    """Opens one partition."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        scripts: Scripts,
        projector: Projector,
        partition: int,
        limits: Limits,
        status: Status | None = None,
        size: BatchSize | None = None,
    ) -> None:
        self._connection = connection
        self._scripts = scripts
        self._projector = projector
        self._partition = partition
        self._limits = limits
        self._status = status or Status(partition)
        self._size = size or BatchSize(limits.batch_max)

    async def open(self, server: Server, installation: Installation) -> Head:
        """The head of the partition, open for this server.

        Where Redis does not hold what Postgres holds, it is healed. Raises Alarm, with the partition closed, where that
        takes an operator; InstallationMismatch and PartitionError with nothing changed; Superseded where another opener
        was faster.
        """
        for _ in range(ATTEMPTS_MAX):
            head = await partitions.read_head(server, self._partition)
            installation.require(self._partition, head)
            # Read before the partition is closed: an epoch that another opener takes later makes ours fail.
            position = await read_position(self._connection, self._partition)
            if head is not None and is_open(head, server.identity) and head.epoch >= position.taken_epoch:
                return head
            if head is not None and not await partitions.close(server, self._scripts, self._partition, head):
                continue
            try:
                cause = await self._unfinished(server)
                if cause is None:
                    position = await self._drain(server, position)
            except Alarm as alarm:
                # Another opener may have given the outbox its name back while it was read.
                now = await partitions.read_head(server, self._partition)
                if now is not None and now.fence:
                    continue
                if alarm.reason not in HEALABLE:
                    raise
                cause = alarm.reason
                self._status.change("healing", str(alarm), reason=cause)
            now_ms = await self._clock_ms(server, position)
            if cause is None:
                await self._begin(server, installation, head, position)
            else:
                await record(self._connection, self._status)
                healer = Healer(self._connection, self._scripts, self._partition, self._limits)
                await healer.heal(server, installation, head, position, now_ms, cause)
        raise PartitionError(f"partition {self._partition} kept changing while it was opened")

    async def _unfinished(self, server: Server) -> Cause | None:
        """Whether a healer has left its mark: then the keys may be half written, whatever the log says of them."""
        if not await partitions.is_being_healed(server, self._partition):
            return None
        self._status.change("healing", "a healer did not come to its end", reason=UNFINISHED)
        return UNFINISHED

    async def _drain(self, server: Server, position: Position) -> Position:
        """Apply what the closed outbox has beyond the cursor; then it ends with the cursor, or both are empty."""
        stream = keys.outbox_closed(self._partition)
        while True:
            try:
                events = await read_after(server.transport, stream, position, self._size.now)
            except CursorMissing:
                raise await diagnosis(server.transport, stream, position) from None
            if not events:
                return position
            with self._size.learning_from(len(events)):
                position = await apply(self._connection, self._projector, position, events)
            await let_keys_expire(server, events, self._limits.kept_s)

    async def _clock_ms(self, server: Server, position: Position) -> int:
        """The server's clock, Unix time in ms. Times and days of events never go back."""
        time = await server.call("TIME")
        assert isinstance(time, list)
        now_ms = int(time[0]) * 1000 + int(time[1]) // 1000
        if position.cursor is not None and now_ms < position.cursor.ts_ms:
            raise Alarm(
                "clock_behind",
                f"the clock of the Redis server is {position.cursor.ts_ms - now_ms} ms behind the last event: "
                "set it, or wait",
            )
        return now_ms

    async def _begin(
        self, server: Server, installation: Installation, head: Head | None, position: Position
    ) -> None:
        """Take an epoch in Postgres and open it in Redis, unless anything has changed there."""
        epoch = position.epoch_for(server.identity)
        if epoch is None:
            epoch = await take_epoch(self._connection, position, server.identity)
        opened = await partitions.open_epoch(
            server,
            self._scripts,
            self._partition,
            identity=server.identity,
            head=head,
            epoch=epoch,
            installation=installation.id,
            last_entry=position.cursor.entry if position.cursor else "",
        )
        if opened:
            log.info("partition opened", partition=self._partition, epoch=epoch, server=server.identity)


def is_open(head: Head, identity: str) -> bool:
    """Whether the partition is open for this server, under the name that its head asks for."""
    expected = partitions.fence(identity, head.epoch, head.economy, head.schema)
    return head.identity == identity and head.fence == expected
