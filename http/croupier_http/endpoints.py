"""What answers requests: one endpoint per command, per query, and per page of the server itself."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDictProxy, istr

from croupier.command import Caller, Outcome, check_idempotency_key
from croupier.deterministic import CLOCK_MS_MAX
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.postgres import asking_postgres
from croupier.query import Query, Sources
from croupier.run import AnyRun
from croupier_http.auth import Authenticator, Identity
from croupier_http.bodies import read_body
from croupier_http.commands import CommandRunner
from croupier_http.cors import Cors
from croupier_http.decoding import Decoder
from croupier_http.operations import operation_id
from croupier_http.reads import ReadsWithoutRedis
from croupier_http.replies import Answer
from croupier_http.validation import invalid

IDEMPOTENCY_KEY: Final = istr("Idempotency-Key")
CLOCK: Final = istr("X-Croupier-Clock-Ms")

_REPLAYED: Final = "Idempotent-Replayed: true\r\n"
_WOULD_BE_BLOCKED: Final = "X-RateLimit-Sim: blocked\r\n"
_is_time = re.compile("[0-9]{1,15}").fullmatch
_encode = msgspec.json.Encoder().encode

Places = Mapping[str, str]
Headers = CIMultiDictProxy[str]


def single_header(headers: Headers, name: istr) -> str | None:
    """The header of that name, or None. Sent twice it could mean one thing to a proxy and another here: refused."""
    values = headers.getall(name, None)
    if values is None:
        return None
    if len(values) > 1:
        raise CroupierError("MALFORMED_REQUEST", f"The header {name} may be sent once only.")
    return values[0]


def idempotency_key(headers: Headers) -> str:
    """The idempotency key of a request; empty: none. Raises CroupierError VALIDATION_ERROR, MALFORMED_REQUEST."""
    key = single_header(headers, IDEMPOTENCY_KEY)
    if key is None:
        return ""
    check_idempotency_key(key)
    return key


def set_clock(engine: Engine, headers: Headers) -> None:
    """Set the server's time as a test wants it, in Unix ms; refused but in deterministic mode."""
    if CLOCK not in headers:
        return
    clock, text = engine.injected_clock, single_header(headers, CLOCK) or ""
    if clock is None:
        allowed = "only with CROUPIER_DETERMINISTIC_SEED set"
        raise invalid(str(CLOCK), "not in deterministic mode", text, allowed)
    if not _is_time(text) or int(text) > CLOCK_MS_MAX:
        raise invalid(str(CLOCK), "not a time", text, f"Unix time in ms, 0 to {CLOCK_MS_MAX}")
    clock.now_ms = int(text)


class Endpoint(Protocol):
    """Answers the requests of one method and path. `places` are the values of the `{names}` in the path."""

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        """Raises CroupierError for what becomes an error reply."""


class CommandEndpoint:
    """Runs a command for the caller named by the token. `op_id` identifies this attempt in events and logs."""

    def __init__(
        self, runner: CommandRunner, engine: Engine, authenticator: Authenticator, body_timeout_s: float
    ) -> None:
        self._runner = runner
        self._engine = engine
        self._authenticator = authenticator
        self._body_timeout_s = body_timeout_s

    async def answer(self, request: web.BaseRequest, op_id: bytes, _places: Places) -> Answer:
        identity = self.caller(request.headers)
        body = await read_body(request, self._body_timeout_s)
        return await self.finish(self.begin(identity, request.headers, body, op_id))

    def caller(self, headers: Headers) -> Identity:
        """Who asks. Raises CroupierError where nobody is named who may."""
        identity = self._authenticator.identify(single_header(headers, hdrs.AUTHORIZATION))
        self._runner.check_access(identity)
        return identity

    def begin(self, identity: Identity, headers: Headers, body: bytes, op_id: bytes) -> AnyRun:
        """Begin the command; `outcome` or `finish` has to follow. Raises CroupierError."""
        key = idempotency_key(headers)
        request = self._runner.decoder.body(body)
        set_clock(self._engine, headers)
        return self._runner.begin(identity, request, op_id, key)

    def outcome(self, run: AnyRun) -> Answer | None:
        """The answer, once the script's is there; None where that takes `finish`. Raises CroupierError."""
        outcome = self._runner.outcome(run)
        return None if outcome is None else _answer(outcome)

    async def finish(self, run: AnyRun) -> Answer:
        """The answer, whatever it takes. Raises CroupierError."""
        return _answer(await self._runner.finish(run))


def _answer(outcome: Outcome[Any]) -> Answer:
    reply, replayed, rate_blocked = outcome
    if replayed:
        return Answer(_encode(reply), headers=_REPLAYED)
    return Answer(_encode(reply), headers=_WOULD_BE_BLOCKED if rate_blocked else "")


class QueryEndpoint:
    """Answers a query from its parameters in the path and in the query string."""

    def __init__(
        self,
        query: Query[Any, Any],
        sources: Sources,
        authenticator: Authenticator,
        reads: ReadsWithoutRedis,
    ) -> None:
        self._query = query
        self._operation = operation_id(query.path)
        self._reads = reads
        self._sources = sources
        self._authenticator = authenticator
        self._decoder = Decoder(query.params)

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        identity = self._authenticator.identify(single_header(request.headers, hdrs.AUTHORIZATION))
        if self._query.access == "admin" and identity.role != "admin":
            raise CroupierError("FORBIDDEN")
        params = self._decoder.query([*places.items(), *request.query.items()])
        set_clock(self._sources.engine, request.headers)
        caller = Caller(identity.uid, identity.tier, identity.role, op_id)
        if self._query.without_redis and (refusal := self._reads.refusal(identity, self._operation)):
            raise refusal
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
