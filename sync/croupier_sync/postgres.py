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
# A session that runs a statement is alive, unless it is the statement that waits for its client (in COPY).
_END_SILENT_OWNER = """
SELECT pg_terminate_backend(pid)
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND (classid, objid, objsubid) = ($1::bigint::oid, $2::bigint::oid, 2)
  AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (state <> 'active' OR wait_event_type = 'Client')
  AND state_change < clock_timestamp() - make_interval(secs => $3)
"""
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


async def end_silent_owner(connection: asyncpg.Connection, partition: int, silence_max_s: float) -> bool:
    """End the session that has the partition's lock if Postgres has not heard from its daemon for so long.

    A daemon that was suspended, or whose machine has vanished, keeps its session, and with it the lock and perhaps
    the row of an unfinished batch. Returns whether a session was ended; its daemon notices when it goes on. Daemons
    that log in as different roles do not see each other's sessions, and wait.
    """
    ended = await connection.fetchval(_END_SILENT_OWNER, LOCK_CLASS, partition, silence_max_s)
    return bool(ended)


async def require_durable(connection: asyncpg.Connection) -> None:
    """Raise NotDurable where a commit may be lost: strict commands promise that it is not."""
    settings = await connection.fetchrow(_DURABILITY)
    for name, setting in (("fsync", settings["fsync"]), ("synchronous_commit", settings["commit"])):
        if setting == "off":
            raise NotDurable(
                f"Postgres runs with {name}=off and may lose what it has committed: set {name}=on"
            )
