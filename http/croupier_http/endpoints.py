"""What answers requests: one endpoint per command, per query, and per page of the server itself."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDictProxy, istr

from croupier.command import Caller, Command, check_idempotency_key
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.postgres import asking_postgres
from croupier.query import Query, Sources
from croupier_http.auth import Authenticator
from croupier_http.bodies import read_body
from croupier_http.cors import Cors
from croupier_http.decoding import Decoder
from croupier_http.metrics import COMMANDS, Tally
from croupier_http.replies import Answer

IDEMPOTENCY_KEY: Final = istr("Idempotency-Key")

_REPLAYED: Final = "Idempotent-Replayed: true\r\n"
_encode = msgspec.json.Encoder().encode

Places = Mapping[str, str]


def _single(headers: CIMultiDictProxy[str], name: istr) -> str | None:
    """The header of that name, or None. Sent twice it could mean one thing to a proxy and another here: refused."""
    values = headers.getall(name, None)
    if values is None:
        return None
    if len(values) > 1:
        raise CroupierError("MALFORMED_REQUEST", f"The header {name} may be sent once only.")
    return values[0]


class Endpoint(Protocol):
    """Answers the requests of one method and path. `places` are the values of the `{names}` in the path."""

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        """Raises CroupierError for what becomes an error reply."""


class CommandEndpoint:
    """Runs a command for the caller named by the token. `op_id` identifies this attempt in events and logs."""

    def __init__(
        self,
        command: Command[Any, Any, Any],
        engine: Engine,
        authenticator: Authenticator,
        body_timeout_s: float,
    ) -> None:
        self._command = command
        self._engine = engine
        self._authenticator = authenticator
        self._body_timeout_s = body_timeout_s
        self._decoder = Decoder(command.request)
        self.outcomes = Tally(COMMANDS, command.name)

    async def answer(self, request: web.BaseRequest, op_id: bytes, _places: Places) -> Answer:
        headers = request.headers
        identity = self._authenticator.identify(_single(headers, hdrs.AUTHORIZATION))
        body = await read_body(request, self._body_timeout_s)
        key = _single(headers, IDEMPOTENCY_KEY)
        if key is not None:
            check_idempotency_key(key)
        command_request = self._decoder.body(body)
        caller = Caller(identity.uid, identity.tier, identity.role, op_id, key or "")
        try:
            reply, replayed = await self._engine.execute(self._command, caller, command_request)
        except CroupierError as error:
            self.outcomes.count(error.code)
            raise
        self.outcomes.count("replayed" if replayed else "ok")
        return Answer(_encode(reply), headers=_REPLAYED if replayed else "")


class QueryEndpoint:
    """Answers a query from its parameters in the path and in the query string."""

    def __init__(self, query: Query[Any, Any], sources: Sources, authenticator: Authenticator) -> None:
        self._query = query
        self._sources = sources
        self._authenticator = authenticator
        self._decoder = Decoder(query.params)

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        identity = self._authenticator.identify(_single(request.headers, hdrs.AUTHORIZATION))
        if self._query.access == "admin" and identity.role != "admin":
            raise CroupierError("FORBIDDEN")
        params = self._decoder.query([*places.items(), *request.query.items()])
        caller = Caller(identity.uid, identity.tier, identity.role, op_id)
        with asking_postgres():
            return Answer(_encode(await self._query.answer(self._sources, caller, params)))


class Page:
    """Something that the server says about itself, to anyone."""

    def __init__(self, make: Callable[[], Awaitable[Answer]]) -> None:
        self._make = make

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        return await self._make()


class Preflight:
    """Tells browsers which requests from other origins a path takes."""

    def __init__(self, cors: Cors, methods: list[str]) -> None:
        self._headers = cors.preflight(methods)

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        return Answer(b"", headers=self._headers)


class Unrouted:
    """The endpoint of addresses and methods that no other endpoint takes: raises a new error each time."""

    def __init__(self, error: Callable[[], CroupierError]) -> None:
        self._error = error

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        raise self._error()
