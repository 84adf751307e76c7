"""Connecting to Postgres, and what its errors and its locks mean here."""

import asyncpg

from croupier_sync.errors import NotDurable

CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 30.0

# Advisory locks are pairs of two numbers: this one, then the partition or the number below.
LOCK_CLASS = 0x63726F75
LOCK_MIGRATIONS = -1

# What asyncpg raises for data that does not fit, and never will.
REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    OverflowError,
    UnicodeEncodeError,
)

_TRY_LOCK = "SELECT pg_try_advisory_lock($1, $2)"
_DURABILITY = "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit"


async def connect(database_url: str) -> asyncpg.Connection:
    """A connection of the daemon. Raises what `is_away` recognises when Postgres cannot be reached."""
    return await asyncpg.connect(
        database_url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=STATEMENT_TIMEOUT_S,
        server_settings={"application_name": "croupier sync"},
    )


async def disconnect(connection: asyncpg.Connection) -> None:
    """Close, without waiting long for a server that does not answer. Gives up the session's locks."""
    try:
        await connection.close(timeout=1.0)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


async def try_lock(connection: asyncpg.Connection, partition: int) -> bool:
    """Take the session's lock of a partition; False while another session has it.

    It saves daemons from working against each other. What keeps them from harm is the compare-and-set of each batch.
    """
    taken: bool = await connection.fetchval(_TRY_LOCK, LOCK_CLASS, partition)
    return taken


async def require_durable(connection: asyncpg.Connection) -> None:
    """Raise NotDurable where a commit may be lost: strict commands promise that it is not."""
    settings = await connection.fetchrow(_DURABILITY)
    for name, setting in (("fsync", settings["fsync"]), ("synchronous_commit", settings["commit"])):
        if setting == "off":
            raise NotDurable(
                f"Postgres runs with {name}=off and may lose what it has committed: set {name}=on"
            )


def is_away(error: BaseException) -> bool:
    """Whether the error says that Postgres cannot do this now: the same may work later."""
    if isinstance(error, (*REFUSED, asyncpg.ClientConfigurationError)):
        return False
    return isinstance(error, OSError | TimeoutError | asyncpg.PostgresError | asyncpg.InterfaceError)
