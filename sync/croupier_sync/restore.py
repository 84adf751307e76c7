"""Building Redis from Postgres on an operator's word: what the healer does after Redis came up empty, and a check."""

from typing import NamedTuple

import asyncpg

from croupier import partition as partitions
from croupier.scripts import Scripts
from croupier_schemas import keys
from croupier_sync.batch import apply
from croupier_sync.errors import SyncError
from croupier_sync.healing import RESTORE, Healer
from croupier_sync.installation import read_installation
from croupier_sync.limits import DEFAULT_LIMITS, Limits
from croupier_sync.outbox import read_after
from croupier_sync.position import Cursor, Position, read_position
from croupier_sync.postgres import try_lock
from croupier_sync.projector import Projector
from croupier_sync.rebuild import Progress, Rebuilt
from croupier_sync.server import Server
from croupier_sync.verification.findings import Findings
from croupier_sync.verification.live import Compared, compare, last_event

_OP_ID = "SELECT op_id FROM events WHERE partition = $1 AND epoch = $2 AND seq = $3"


class RestoreRefused(SyncError):
    """Redis is not to be restored as it is; nothing was changed in it, but that it may have been closed."""


class Restored(NamedTuple):
    """What was written, how Redis compares with the mirror afterwards, and what differs, a sentence for each."""

    rebuilt: Rebuilt
    redis: Compared
    differences: list[str]


async def restore(
    server: Server,
    connection: asyncpg.Connection,
    partition: int,
    progress: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Restored:
    """Replace what Redis holds of a partition by what Postgres holds, and open it. `progress` is told rows.

    It keeps the partition's lock until the connection is closed, so no daemon works meanwhile. It may be repeated.

    Raises RestoreRefused where a daemon follows the partition, where Postgres has no event, and where Redis has one
    that Postgres lacks; InstallationMismatch, PartitionError, Alarm, TransportError, and asyncpg's errors.
    """
    installation = await read_installation(connection)
    head = await partitions.read_head(server, partition)
    installation.require(partition, head)
    if not await try_lock(connection, partition):
        raise RestoreRefused(
            f"a sync daemon follows partition {partition}: it restores an empty Redis by itself; "
            "to restore another one, stop the daemon"
        )
    scripts = Scripts()
    position = await read_position(connection, partition)
    if position.cursor is None:
        raise RestoreRefused("Postgres has no event: there is nothing to restore")
    await _require_known(server, connection, position)
    if head is not None and head.fence:
        if not await partitions.close(server, scripts, partition, head):
            raise RestoreRefused(f"partition {partition} has just been changed by somebody else; try again")
        head = await partitions.read_head(server, partition)
        await _require_known(server, connection, position)
    healer = Healer(connection, scripts, partition, limits, progress)
    await healer.heal(server, installation, head, position, await _now_ms(server, position.cursor), RESTORE)
    if healer.rebuilt is None:
        raise RestoreRefused(f"partition {partition} was opened by somebody else")
    await _follow(server, connection, partition, limits)
    findings = Findings()
    compared = await compare(server, connection, partition, findings)
    return Restored(healer.rebuilt, compared, [problem.message for problem in findings.problems])


async def require_within(server: Server, partition: int, cursor: Cursor | None) -> None:
    """Raise RestoreRefused where Redis' log goes on beyond a backup that ends at `cursor`.

    Once a backup is restored its Postgres takes no event of those epochs any more, and undoes what Redis has of them.
    """
    last = await last_event(server, partition)
    if last is None or (cursor is not None and (last == cursor[:3] or last[:2] < cursor[:2])):
        return
    ends = f"ends at event {partition}-{cursor.entry}" if cursor else "has no event"
    raise RestoreRefused(
        f"Redis has events up to {last.of(partition)}, and the backup {ends}: what only Redis has would be undone. "
        "Find a newer backup or copy of Postgres; or, to give that up, empty this Redis or set REDIS_URL to an empty "
        "one, and try again"
    )


async def _require_known(server: Server, connection: asyncpg.Connection, position: Position) -> None:
    """Raise RestoreRefused unless Redis' log ends with an event that Postgres has, or is empty."""
    assert position.cursor is not None
    partition = position.partition
    last = await last_event(server, partition)
    if last is None or await connection.fetchval(_OP_ID, partition, last.epoch, last.seq) == last.op_id:
        return
    advice = (
        "start `croupier sync`, which takes over what can be taken over"
        if last.epoch >= position.taken_epoch
        else f"it has gone on to epoch {position.taken_epoch}, and never takes it over. To give up what only Redis "
        "has, empty that, and try again"
    )
    raise RestoreRefused(
        f"Redis has event {last.of(partition)}, and Postgres, which ends at {partition}-{position.cursor.entry}, "
        f"does not: {advice}"
    )


async def _now_ms(server: Server, cursor: Cursor) -> int:
    """The clock of the server, which must not be behind the last event."""
    time = await server.call("TIME")
    assert isinstance(time, list)
    now_ms = int(time[0]) * 1000 + int(time[1]) // 1000
    if now_ms < cursor.ts_ms:
        raise RestoreRefused(
            f"the clock of the Redis server is {cursor.ts_ms - now_ms} ms behind the last event"
        )
    return now_ms


async def _follow(server: Server, connection: asyncpg.Connection, partition: int, limits: Limits) -> None:
    """Bring the event that opened the partition, and what players did since, to Postgres."""
    head = await partitions.read_open_head(server, partition)
    projector = Projector()
    while True:
        position = await read_position(connection, partition)
        events = await read_after(
            server.transport, keys.outbox(partition, head.fence), position, limits.batch_max
        )
        if not events:
            return
        await apply(connection, projector, position, events)
