"""Croupier over HTTP: one request per call."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from croupier_client.answers import Answer
from croupier_client.errors import CroupierProtocolError, CroupierRefused, CroupierUnavailable
from croupier_client.keys import Keys
from croupier_client.methods import Answers, CommandMethods, HttpMethods
from croupier_client.operation import Operation
from croupier_client.operations import operation_of
from croupier_client.retries import Patience, require_deadline
from croupier_client.tokens import Token, Tokens

P = ParamSpec("P")
Reply = TypeVar("Reply")

DEADLINE_S: Final = 10.0
ATTEMPT_S: Final = 4.0
CONNECTIONS_MAX: Final = 64
REPLY_BYTES_MAX: Final = 8 * 1024 * 1024

_OK: Final = 200
_UNAUTHENTICATED: Final = 401
_encode = msgspec.json.Encoder().encode


class _Received(msgspec.Struct):
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def retry_after_s(self) -> float | None:
        """None where it was not said."""
        wait = self.headers.get("Retry-After", "")
        return float(wait) if wait.isdecimal() else None

    @property
    def op_id(self) -> str:
        """Empty where it was no command."""
        return self.headers.get("Op-Id", "")


class _Lost(Exception):
    """No answer. `sent`: the request may have arrived."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Client(CommandMethods, HttpMethods):
    """Calls as one player, or as an administrator. Use it as an async context manager.

    Every command has an idempotency key of its own, which all attempts at it share: so it is done once, however often
    it is sent while the server holds the key: for ten minutes (its IDEMPOTENCY_TTL_SECONDS). Calls are repeated after
    429, 503 and lost connections, until `deadline_s` (seconds, at most 300) has passed.

    >>> async with Client("http://127.0.0.1:8000", token) as client:
    ...     reply = await client.pull(count=10, banner="standard")
    ...     print(reply.balance, [item.item_id for item in reply.items])

    Calls raise CroupierRefused where the server says no, CroupierUnavailable where no answer came in time, and
    CroupierProtocolError for answers that cannot be read.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        deadline_s: float = DEADLINE_S,
        attempt_s: float = ATTEMPT_S,
        connections_max: int = CONNECTIONS_MAX,
        reply_bytes_max: int = REPLY_BYTES_MAX,
    ) -> None:
        """`token` is an access token, or a function, plain or async, that gives one: it is asked for the first one, and
        for another one when the server has refused the last.

        An attempt that takes longer than `attempt_s` counts as lost. Raises ValueError for an address that is none,
        and for a deadline above 300 seconds.
        """
        self._url = base_url_of(base_url)
        self._tokens = Tokens(token)
        self._deadline_s = require_deadline(deadline_s)
        self._attempt_s = attempt_s
        self._connections_max = connections_max
        self._reply_bytes_max = reply_bytes_max
        self._keys = Keys()
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"<Client {self._url}>"

    async def __aenter__(self) -> Self:
        self._keys = Keys()  # here, since a process that was forked after the constructor must have others
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections_max),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections. Calls that wait end with CroupierUnavailable."""
        if self._session is not None:
            await self._session.close()

    def options(self, *, key: str = "", deadline_s: float | None = None) -> "ClientWith":
        """The same client, with an idempotency key of one's own, or with another deadline, for the calls made on it.

        >>> await client.options(key="order-17", deadline_s=2).pull(count=1)

        The same key is for the same command with the same arguments only, and for ten minutes (the server's
        IDEMPOTENCY_TTL_SECONDS). Raises ValueError for a deadline above 300 seconds.
        """
        if deadline_s is not None:
            require_deadline(deadline_s)
        return ClientWith(self, key, deadline_s)

    @property
    def answers(self) -> Answers:
        """The commands, with all of the answer: whether it is a replay, and the id of the attempt.

        >>> answer = await client.answers.spin(bet_amount=100)
        >>> print(answer.reply.balance, answer.replayed, answer.op_id)
        """
        return Answers(self)

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """An operation by its name, such as `gacha.pull`. Raises ValueError for a name that there is not."""
        return await self.run(operation_of(name), arguments or {})

    async def run(
        self,
        operation: Operation[P, Reply],
        arguments: object,
        /,
        *,
        key: str = "",
        deadline_s: float | None = None,
    ) -> Reply:
        """Ask for an operation; `arguments` are its request, or a mapping with what that holds."""
        return (await self.ask(operation, arguments, key=key, deadline_s=deadline_s)).reply

    async def ask(
        self,
        operation: Operation[P, Reply],
        arguments: object,
        /,
        *,
        key: str = "",
        deadline_s: float | None = None,
    ) -> Answer[Reply]:
        """As `run`, with all of the answer."""
        if self._session is None:
            raise RuntimeError(
                "use the client as an async context manager: `async with Client(...) as client:`"
            )
        if operation.keyed:
            key = key or self._keys.new()
        within_s = self._deadline_s if deadline_s is None else deadline_s
        patience = Patience(operation, key, within_s)
        url, body = self._request(operation, arguments)
        token, renewed = await self._tokens.current(), False
        while True:
            try:
                answer = await self._attempt(operation, url, body, token, key, patience.left_s())
            except _Lost as lost:
                wait_s = patience.after_loss(str(lost), sent=lost.sent)
            else:
                if answer.status == _OK:
                    return Answer(
                        _reply(operation, answer.body, key),
                        answer.headers.get("Idempotent-Replayed") == "true",
                        answer.headers.get("X-RateLimit-Sim") == "blocked",
                        answer.op_id,
                    )
                refusal = _refusal(answer)
                other = (
                    None if renewed or answer.status != _UNAUTHENTICATED else await self._tokens.after(token)
                )
                if other is not None:
                    token, renewed = other, True
                    continue
                wait_s = patience.after_refusal(refusal)
            await asyncio.sleep(wait_s)

    def _request(self, operation: Operation[..., Any], arguments: object) -> tuple[URL, bytes | None]:
        """Where to send it, and the body: None for a query."""
        path = operation.path
        if operation.kind != "query" and not operation.placeholders:
            return self._url.join(URL(path)), _encode(arguments)
        members: dict[str, object] = msgspec.to_builtins(arguments, builtin_types=(datetime,))
        for name in operation.placeholders:
            if name not in members:
                raise ValueError(f"{operation.name}: the argument {name} is missing")
            path = path.replace(f"{{{name}}}", quote(str(members.pop(name)), safe=""))
        url = self._url.join(URL(path, encoded=True))
        if operation.kind != "query":
            return url, _encode(members)
        given = {name: _text(value) for name, value in members.items() if value is not None}
        return url.with_query(given), None

    async def _attempt(
        self,
        operation: Operation[..., Any],
        url: URL,
        body: bytes | None,
        token: str,
        key: str,
        left_s: float,
    ) -> _Received:
        """Send it once. Raises _Lost."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        method = "GET" if body is None else "POST"
        try:
            async with (
                asyncio.timeout(max(0.0, min(left_s, self._attempt_s))),
                self._session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as reply,
            ):
                return _Received(reply.status, await self._read(reply, key), reply.headers)
        except aiohttp.ClientConnectorError as error:
            raise _Lost(f"no connection: {type(error).__name__}", sent=False) from None
        except TimeoutError:
            raise _Lost("nothing came in time", sent=True) from None
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            # Not the error itself, which may hold the request with its token.
            if self._session.closed:
                raise CroupierUnavailable(f"{operation.name}: the client is closed", True, key) from None
            if isinstance(error, RuntimeError):
                raise
            raise _Lost(f"connection lost: {type(error).__name__}", sent=True) from None

    async def _read(self, reply: aiohttp.ClientResponse, key: str) -> bytes:
        """The body. Raises CroupierProtocolError for one that is too large."""
        limit = self._reply_bytes_max
        if reply.content_length is not None and reply.content_length <= limit:
            return await reply.read()
        data = bytearray()
        if reply.content_length is None:
            async for part in reply.content.iter_any():
                data += part
                if len(data) > limit:
                    break
            else:
                return bytes(data)
        reply.close()
        raise CroupierProtocolError(f"the server's answer is larger than {limit} bytes", key)


class ClientWith(CommandMethods, HttpMethods):
    """A client with options: what `Client.options` gives."""

    def __init__(self, client: Client, key: str, deadline_s: float | None) -> None:
        self._client = client
        self._key = key
        self._deadline_s = deadline_s

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """As `Client.call`."""
        return await self.run(operation_of(name), arguments or {})

    @property
    def answers(self) -> Answers:
        """As `Client.answers`."""
        return Answers(self)

    async def run(self, operation: Operation[P, Reply], arguments: object, /) -> Reply:
        """As `Client.run`."""
        return (await self.ask(operation, arguments)).reply

    async def ask(self, operation: Operation[P, Reply], arguments: object, /) -> Answer[Reply]:
        """As `Client.ask`."""
        return await self._client.ask(operation, arguments, key=self._key, deadline_s=self._deadline_s)


def base_url_of(text: str) -> URL:
    """The address of a server. Raises ValueError; its message has no more of the address than needed."""
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url: something like https://casino.example is needed")
    if url.user or url.password or url.query_string or url.path not in ("", "/"):
        raise ValueError("base_url: scheme, host and port only, no path and no credentials")
    return url.with_path("/")


def _text(value: object) -> str:
    """A parameter of a query string."""
    if isinstance(value, datetime):
        return value.isoformat()
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def _reply(operation: Operation[..., Reply], body: bytes, key: str) -> Reply:
    try:
        return operation.from_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CroupierProtocolError(f"{operation.name}: the answer cannot be read: {error}", key) from None


def _refusal(answer: _Received) -> CroupierRefused:
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    return CroupierRefused.of_body(answer.status, body, answer.retry_after_s, answer.op_id)
