"""Which Redis belongs to which Postgres."""

from typing import NamedTuple

import asyncpg

from croupier.partition import PARTITIONS, Head, read_head
from croupier.transport import Transport
from croupier_sync.errors import InstallationMismatch, MigrationError

_READ = "SELECT id, partitions FROM installation"


class Installation(NamedTuple):
    """The id that Postgres and every head in Redis share."""

    id: str

    def require(self, partition: int, head: Head | None) -> None:
        """Raise InstallationMismatch where the head is of another installation. No head fits every one."""
        if head is None or head.installation == self.id:
            return
        other = f"of installation {head.installation}" if head.installation else "without a Postgres"
        raise InstallationMismatch(
            f"Redis holds a partition {partition} {other}, and Postgres is installation {self.id}: "
            "REDIS_URL and DATABASE_URL do not belong together"
        )


async def read_installation(connection: asyncpg.Connection) -> Installation:
    """Postgres' own. Raises InstallationMismatch where it was made with another number of partitions."""
    row = await connection.fetchrow(_READ)
    if row is None:
        raise MigrationError("the database has no installation: run `croupier migrate`")
    if row["partitions"] != PARTITIONS:
        raise InstallationMismatch(
            f"Postgres was made with {row['partitions']} partitions, and this version of croupier has {PARTITIONS}"
        )
    return Installation(row["id"])


async def check_installation(transport: Transport, connection: asyncpg.Connection) -> None:
    """Raise InstallationMismatch where Redis and Postgres do not belong together. Changes nothing.

    Also raises PartitionError where Redis was written by newer code, TransportError and asyncpg's errors.
    """
    installation = await read_installation(connection)
    for partition in range(PARTITIONS):
        installation.require(partition, await read_head(transport, partition))
