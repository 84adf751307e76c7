"""The one place that knows which errors mean "cannot run as asked" (exit code 2), and what is said of them."""

import asyncpg

from croupier.economy import EconomyError
from croupier.errors import CroupierError
from croupier.partition import PartitionError
from croupier.permissions import PermissionMissing
from croupier.settings import SettingsError
from croupier.transport import TransportError
from croupier_cli.embedded import CannotStart
from croupier_cli.errors import CannotRun
from croupier_http.checks import CannotServe
from croupier_sync.errors import SyncError

# Each carries one line for the user, which says what to do.
_SAY_WHY = (
    CannotRun,
    CannotStart,
    EconomyError,
    SettingsError,
    PartitionError,
    PermissionMissing,
    TransportError,
    CannotServe,
    SyncError,
)


def reason_of(failure: Exception) -> str | None:
    """The line to print before exit code 2; None for an error that nobody foresaw, which deserves its traceback."""
    match failure:
        case CroupierError():
            return failure.message
        case asyncpg.ClientConfigurationError():
            return f"DATABASE_URL: {failure}"
        case asyncpg.PostgresError() | asyncpg.InterfaceError():
            return f"Postgres: {_first_line(failure)}"
        case TimeoutError() | ConnectionError():
            return f"a server has gone, or does not answer: {_first_line(failure)}"
    return _first_line(failure) if isinstance(failure, _SAY_WHY) else None


def _first_line(failure: Exception) -> str:
    return (str(failure) or type(failure).__name__).splitlines()[0]
