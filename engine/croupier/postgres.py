"""What asyncpg's errors mean, and what a caller is told of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog

from croupier.errors import CroupierError

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


@contextmanager
def asking_postgres() -> Iterator[None]:
    """Turn "Postgres is away" into CroupierError NOT_READY; where it is, and why, is for the log."""
    try:
        yield
    except Exception as error:
        if isinstance(error, CroupierError) or not is_away(error):
            raise
        log.warning("Postgres is not available", error=str(error) or type(error).__name__)
        raise CroupierError("NOT_READY", "Postgres cannot be reached right now.", retry_after_s=1) from error
