"""Putting an economy in force."""

import asyncpg

from croupier.economy import canonical, version
from croupier.partition import PARTITIONS, push_economy
from croupier.scripts import Scripts
from croupier.transport import Transport
from croupier_schemas.economy import Economy
from croupier_sync.rows import EconomyRow
from croupier_sync.tables import insert_economies


async def push(
    transport: Transport, connection: asyncpg.Connection, economy: Economy, *, in_place_of: str | None = None
) -> tuple[str, bool]:
    """Put a checked economy in force in every partition. Returns its version, and whether that changed any.

    `in_place_of` and errors as for `put_in_force`.
    """
    name, form = version(economy), canonical(economy)
    return name, await put_in_force(transport, connection, economy, name, form, in_place_of=in_place_of)


async def put_in_force(
    transport: Transport,
    connection: asyncpg.Connection,
    economy: Economy,
    name: str,
    form: bytes,
    *,
    in_place_of: str | None = None,
) -> bool:
    """Put an economy in force in every partition, under this version and in this canonical form.

    False where it was in force already.

    For an economy stored earlier these two are to be the stored ones: a release that has added a setting since would
    make others from it. With `in_place_of` only a partition changes in which that version is in force.

    It is kept in Postgres first, so that every event's economy can be found there. Once begun it may be repeated.
    Raises CroupierError NOT_READY where a partition is closed, PartitionError, TransportError, and asyncpg's errors.
    """
    await insert_economies(connection, [EconomyRow(name, form)])
    scripts = Scripts()
    changed = False
    for partition in range(PARTITIONS):
        changed |= await push_economy(
            transport,
            scripts,
            partition,
            economy=economy,
            version=name,
            canonical=form,
            in_place_of=in_place_of,
        )
    return changed
