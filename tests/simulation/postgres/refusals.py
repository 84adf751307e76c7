"""Errors as Postgres sends them: asyncpg makes its exceptions of these fields, with class, message and detail."""

from typing import Final

import asyncpg

UNIQUE: Final = "23505"
CHECK: Final = "23514"
NOT_NULL: Final = "23502"
TWICE: Final = "21000"
IN_FAILED_TRANSACTION: Final = "25P02"
NO_TRANSACTION: Final = "25P01"
DEADLOCK: Final = "40P01"


def refusal(sqlstate: str, message: str, detail: str | None = None) -> Exception:
    """The exception that asyncpg raises for an error message of the server."""
    fields = {"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": message}
    if detail is not None:
        fields["D"] = detail
    error: Exception = asyncpg.PostgresError.new(fields)
    return error


def connection_lost(last_words: str = "") -> Exception:
    """What asyncpg raises in a call whose connection breaks under it, with what the server said before that."""
    message = "connection was closed in the middle of operation"
    error: Exception = asyncpg.ConnectionDoesNotExistError(
        f"{message}: {last_words}" if last_words else message
    )
    return error
