"""What asyncpg's errors mean, and what a caller is told of them."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog

from croupier.errors import CroupierError
from croupier.transport.failures import why_unverified

log = structlog.get_logger(__name__)

# The statement, the data or the settings are wrong: the same will not work later either.
_REFUSED = (
    asyncpg.SyntaxOrAccessError,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ClientConfigurationError,
)


def is_away(error: BaseException) -> bool:
    """Whether the error says that Postgres cannot do this now, and may later: it restarts, is full, or is not there.

    `InternalClientError` is what asyncpg raises for a connection that is broken under its hands.
    """
    if isinstance(error, _REFUSED):
        return False
    return isinstance(
        error,
        OSError | TimeoutError | asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError,
    )


def why_away(error: BaseException) -> str:
    """What `is_away` recognises, in a line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return why_unverified(error, "sslrootcert in DATABASE_URL")
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def asking_postgres() -> Iterator[None]:
    """Turn "Postgres is away" into CroupierError NOT_READY; where it is, and why, is for the log."""
    try:
        yield
    except Exception as error:
        if isinstance(error, CroupierError) or not is_away(error):
            raise
        log.warning("Postgres is not available", error=why_away(error))
        raise CroupierError("NOT_READY", "Postgres cannot be reached right now.", retry_after_s=1) from error


async def fetch(
    pool: asyncpg.Pool, statement: str, *arguments: object, timeout_s: float
) -> list[asyncpg.Record]:
    """The rows of a statement; all of it within `timeout_s`, also the wait for a connection and its return.

    A connection on which nobody answers in time is dropped. asyncpg's own timeouts are for the statement alone: it
    then waits on the same connection for the end of that, however long. Raises asyncpg's errors, OSError, TimeoutError.
    """
    async with asyncio.timeout(timeout_s):
        connection = await pool.acquire()
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        except (TimeoutError, asyncio.CancelledError):
            connection.terminate()
            raise
        finally:
            await pool.release(connection, timeout=timeout_s)


async def fetchrow(
    pool: asyncpg.Pool, statement: str, *arguments: object, timeout_s: float
) -> asyncpg.Record | None:
    """The row of a statement that has one at most. Otherwise like `fetch`."""
    rows = await fetch(pool, statement, *arguments, timeout_s=timeout_s)
    return rows[0] if rows else None
