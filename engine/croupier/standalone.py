"""Opening a partition on a server without Postgres: the server makes its own fence, and promises what Redis' AOF does.

With Postgres this is the sync daemon's work, since only Postgres knows which epoch was the last. A head that names an
installation belongs to a Postgres, and is never touched here.
"""

import structlog

from croupier.economy import canonical, version
from croupier.partition import (
    Head,
    PartitionError,
    close,
    is_standalone,
    new_installation,
    open_epoch,
    push_economy,
    read_head,
)
from croupier.scripts import Scripts
from croupier.transport import Transport
from croupier_schemas import keys
from croupier_schemas.economy import Economy

log = structlog.get_logger(__name__)

_ATTEMPTS_MAX = 20


class BelongsToPostgres(PartitionError):
    """The partition is kept by a Postgres: without it, this server would promise what it cannot keep."""


async def open_without_postgres(
    transport: Transport,
    scripts: Scripts,
    economy: Economy,
    partition: int = 0,
    *,
    deterministic: bool = False,
) -> None:
    """Open the partition for the server on this connection, and put `economy` in force where there is none yet.

    Several workers may do so at once: one of them succeeds and the others find it done. Raises BelongsToPostgres,
    PartitionError where the partition keeps changing, TransportError, and CroupierError NOT_READY where it was closed
    again at once.
    """
    for _ in range(_ATTEMPTS_MAX):
        head = await own_head(transport, partition)
        if head is None or not head.fence or head.identity != str(transport.identity):
            await _open(transport, scripts, partition, head, deterministic=deterministic)
        elif head.economy:
            return
        else:
            await push_economy(
                transport, scripts, partition, economy=economy, version=version(economy),
                canonical=canonical(economy),
            )  # fmt: skip
    raise PartitionError(f"partition {partition} kept changing while it was opened; try again")


async def own_head(transport: Transport, partition: int = 0) -> Head | None:
    """The head of a partition that no Postgres keeps. Raises BelongsToPostgres, PartitionError and TransportError."""
    head = await read_head(transport, partition)
    if head is not None and not is_standalone(head.installation):
        raise BelongsToPostgres(
            f"partition {partition} of this Redis belongs to the Postgres of installation {head.installation}: "
            "set DATABASE_URL"
        )
    return head


async def _open(
    transport: Transport, scripts: Scripts, partition: int, head: Head | None, *, deterministic: bool
) -> None:
    """One attempt. Nothing is done where another opener was faster, which the next look at the head shows."""
    if head is not None and head.fence and not await close(transport, scripts, partition, head):
        return
    epoch = head.epoch + 1 if head is not None else 1
    own = new_installation(standalone=True, deterministic=deterministic)
    installation = head.installation if head is not None else own
    opened = await open_epoch(
        transport, scripts, partition, identity=str(transport.identity), head=head, epoch=epoch,
        installation=installation, last_entry=await _last_entry(transport, partition),
    )  # fmt: skip
    if opened:
        log.info("partition opened without Postgres", partition=partition, epoch=epoch)


async def _last_entry(transport: Transport, partition: int) -> str:
    """Id of the last entry of the closed outbox; empty where there is none."""
    entries = await transport.call("XREVRANGE", keys.outbox_closed(partition), "+", "-", "COUNT", 1)
    assert isinstance(entries, list)
    if not entries:
        return ""
    entry = entries[0]
    assert isinstance(entry, list)
    assert isinstance(entry[0], bytes)
    return entry[0].decode()
