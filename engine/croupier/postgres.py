"""What asyncpg's errors mean."""

import asyncpg

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
