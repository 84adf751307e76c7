"""Asking ClickHouse, and writing to it: bounded in time and rows, with errors that say whether to try again."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import structlog

from croupier.errors import CroupierError

if TYPE_CHECKING:
    from clickhouse_connect.driver.asyncclient import AsyncClient

log = structlog.get_logger(__name__)

QUERY_TIMEOUT_S: Final = 10.0
ROWS_MAX: Final = 10_000
AT_ONCE: Final = 4
"""Questions of clients that one process has under way; more wait for their turn."""
QUIET_S: Final = 1.0
"""After ClickHouse was found away, for so long questions of clients are answered at once that it is."""

_CONNECT_TIMEOUT_S: Final = 5.0
_TEXT_LENGTH_MAX: Final = 300

# ClickHouse's numbers of errors that the data of an INSERT cause: the same rows will be refused again. None of a table
# that is another one than expected, nor of an insert that was cut short: both can be put right, and are waited for.
_REFUSED_CODES: Final = frozenset(
    {
        6,
        9,
        26,
        27,
        38,
        41,
        53,
        69,
        70,
        72,
        85,
        117,
        128,
        130,
        131,
        190,
        321,
        349,
        395,
        407,
        469,
        577,
        591,
        637,
        691,
    }
)


class ClickHouseError(Exception):
    """ClickHouse did not do it. The message is one line, without address and password."""


class Away(ClickHouseError):
    """ClickHouse cannot do this now, and may later: it is not there, has too much to do, or lacks a table."""


class Refused(ClickHouseError):
    """ClickHouse, or its client, does not take these data, and will not later."""


class Address(NamedTuple):
    """The parts of `CLICKHOUSE_URL`."""

    interface: str
    host: str
    port: int
    user: str
    password: str
    database: str
    cafile: str = ""
    """Certificates of the authorities that the server's must come from, for https; empty: those of the system."""

    @classmethod
    def from_url(cls, url: str) -> "Address":
        """Raises ValueError where it is none; the message does not have the password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname or "/" in parts.path[1:]:
            raise ValueError("must look like http://user:password@host:8123/database")
        return cls(
            parts.scheme,
            parts.hostname,
            port or (8443 if parts.scheme == "https" else 8123),
            unquote(parts.username or "default"),
            unquote(parts.password or ""),
            unquote(parts.path[1:]) or "default",
            dict(parse_qsl(parts.query)).get("cafile", ""),
        )


class ClickHouse:
    """A ClickHouse server. It is connected to when it is first needed; one object serves one event loop."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._quiet_until_s = 0.0

    @classmethod
    def of_url(cls, url: str) -> "ClickHouse":
        """The server of a `CLICKHOUSE_URL`. Raises ValueError for a URL that is none."""
        return cls(Address.from_url(url))

    async def ask(
        self,
        statement: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_s: float = QUERY_TIMEOUT_S,
        rows_max: int = ROWS_MAX,
    ) -> list[dict[str, Any]]:
        """The rows of a question that a client asked, by name of column; like `fetch`, but for the errors.

        Raises CroupierError NOT_READY where ClickHouse cannot answer in time: at once, where that was so a moment ago.
        """
        if time.monotonic() < self._quiet_until_s:
            raise _not_ready()
        try:
            async with asyncio.timeout(timeout_s), self._turn:
                return await self.fetch(statement, parameters, timeout_s=timeout_s, rows_max=rows_max)
        except (Away, TimeoutError) as error:
            self._quiet_until_s = time.monotonic() + QUIET_S
            log.warning("ClickHouse is not available", error=str(error) or type(error).__name__)
            raise _not_ready() from error

    async def fetch(
        self,
        statement: str,
        parameters: Mapping[str, object] | None = None,
        *,
        timeout_s: float = QUERY_TIMEOUT_S,
        rows_max: int = ROWS_MAX,
    ) -> list[dict[str, Any]]:
        """The rows of a SELECT, by name of column. `{name:Type}` in it stands for a parameter.

        Times are aware, in UTC. More than `rows_max` rows are an error. Raises Away and Refused.
        """
        settings = {
            "max_execution_time": max(1, int(timeout_s)),
            "max_result_rows": rows_max,
            "result_overflow_mode": "throw",
            "readonly": 1,
        }
        async with self._asking(timeout_s) as client:
            result = await client.query(statement, parameters=dict(parameters or {}), settings=settings)
            return list(result.named_results())

    async def execute(
        self, statement: str, *, timeout_s: float, settings: Mapping[str, object] | None = None
    ) -> None:
        """Run a statement that changes something. Raises Away and Refused."""
        async with self._asking(timeout_s) as client:
            await client.command(statement, settings=dict(settings or {}))

    async def insert(
        self,
        table: str,
        columns: Mapping[str, Sequence[object]],
        types: Sequence[str],
        *,
        token: str,
        timeout_s: float,
    ) -> None:
        """Insert rows, given by column; at most once per token within the table's window.

        `types` are ClickHouse's, in the order of the columns. Raises Away, after which they may be there or not, and
        Refused, after which they are not.
        """
        async with self._asking(timeout_s) as client:
            await client.insert(
                table,
                list(columns.values()),
                column_names=list(columns),
                column_type_names=list(types),
                column_oriented=True,
                settings={"insert_deduplication_token": token, "insert_deduplicate": 1, "async_insert": 0},
            )

    async def make_database(self) -> None:
        """Make the database of the URL where it is missing. Raises Away and Refused."""
        default = ClickHouse(self.address._replace(database="default"))
        try:
            name = self.address.database.replace("`", "\\`")
            await default.execute(f"CREATE DATABASE IF NOT EXISTS `{name}`", timeout_s=QUERY_TIMEOUT_S)
        finally:
            await default.close()

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @asynccontextmanager
    async def _asking(self, timeout_s: float) -> AsyncIterator["AsyncClient"]:
        """The client, for one statement within `timeout_s`. What it raises becomes Away or Refused."""
        from clickhouse_connect.driver.exceptions import Error

        try:
            async with asyncio.timeout(timeout_s):
                yield await self._connected()
        except TimeoutError:
            raise Away(f"no answer within {timeout_s:g} s") from None
        except Error as error:
            raise _classified(error) from error
        except OSError as error:
            raise Away(type(error).__name__) from error
        except (TypeError, ValueError, OverflowError, AttributeError, KeyError) as error:
            raise Refused(repr(error)[:_TEXT_LENGTH_MAX]) from error  # the client cannot write these data

    async def _connected(self) -> "AsyncClient":
        if self._client is None:
            async with self._connecting:
                if self._client is None:
                    self._client = await _connect(self.address)
        return self._client


async def _connect(address: Address) -> "AsyncClient":
    """A client. It asks the server for its version and settings."""
    import clickhouse_connect  # takes its time, and most commands do without

    # It logs what it raises, with tracebacks and addresses.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL + 1)
    return await clickhouse_connect.get_async_client(
        interface=address.interface,
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password,
        database=address.database,
        ca_cert=address.cafile or None,
        compress=False,
        query_retries=0,
        connect_timeout=_CONNECT_TIMEOUT_S,
        tz_mode="aware",
        show_clickhouse_errors="scrub",
        autogenerate_session_id=False,
    )


def _classified(error: Exception) -> ClickHouseError:
    """What an error of the client means."""
    from clickhouse_connect.driver.exceptions import DataError, OperationalError, ProgrammingError

    code = getattr(error, "code", None)
    if isinstance(error, OperationalError) and code is None:
        return Away("it cannot be reached")  # the client's text has the address
    text = " ".join(str(error).rpartition("server response: ")[2].split())[:_TEXT_LENGTH_MAX]
    if code in _REFUSED_CODES or (code is None and isinstance(error, DataError | ProgrammingError)):
        return Refused(text)
    return Away(text)


def _not_ready() -> CroupierError:
    return CroupierError("NOT_READY", "ClickHouse cannot answer right now.", retry_after_s=1)
