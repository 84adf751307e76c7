"""Launchers of the servers that a machine without Redis and Postgres starts for itself.

`Valkey.start(directory)` and `Postgres.start(directory)` return a running server with a `url`; leaving the
`with` block stops it. Whatever prevents a start is a `CannotStart`, whose message is one line for the user.
"""

from croupier_cli.embedded.errors import (
    BinaryMissing,
    CannotStart,
    DataDirectoryInUse,
    DataDirectoryUnsuitable,
    PortInUse,
)
from croupier_cli.embedded.kafka import Kafka
from croupier_cli.embedded.lock import DirectoryLock
from croupier_cli.embedded.postgres import Postgres
from croupier_cli.embedded.valkey import Valkey

__all__ = [
    "BinaryMissing",
    "CannotStart",
    "DataDirectoryInUse",
    "DataDirectoryUnsuitable",
    "DirectoryLock",
    "Kafka",
    "PortInUse",
    "Postgres",
    "Valkey",
]
