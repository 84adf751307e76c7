"""Putting an economy in force."""

import asyncpg

from croupier.economy import canonical, version
from croupier.partition import PARTITIONS, push_economy
from croupier.scripts import Scripts
from croupier.transport import Transport
from croupier_schemas.economy import Economy
from croupier_sync.projections import EconomyRow
from croupier_sync.tables import insert_economies


async def push(transport: Transport, connection: asyncpg.Connection, economy: Economy) -> tuple[str, bool]:
    """Put a checked economy in force in every partition. Returns its version, and whether that changed any.

    It is kept in Postgres first, so that every event's economy can be found there. Once begun it may be repeated.
    Raises CroupierError NOT_READY where a partition is closed, PartitionError, TransportError, and asyncpg's errors.
    """
    name, form = version(economy), canonical(economy)
    await insert_economies(connection, [EconomyRow(name, form)])
    scripts = Scripts()
    changed = False
    for partition in range(PARTITIONS):
        changed |= await push_economy(
            transport, scripts, partition, economy=economy, version=name, canonical=form
        )
    return name, changed
