"""The application: finds the endpoint of a request, turns what it raises into an error reply, counts and logs."""

from collections.abc import Callable
from re import compile as regex
from time import perf_counter
from typing import Final

import structlog
from aiohttp import hdrs, web
from multidict import istr

from croupier.errors import CroupierError
from croupier.op_id import OpIds
from croupier_http.cors import Cors
from croupier_http.endpoints import Headers
from croupier_http.errors import failure
from croupier_http.failures import FailureLog
from croupier_http.logs import REQUEST_ID, Limiter
from croupier_http.metrics import UNKNOWN_OPERATION
from croupier_http.replies import Answer, Finisher, Prebuilt
from croupier_http.routes import Route, Routes
from croupier_http.strangers import FromStranger, Strangers
from croupier_http.upgrade import Switched, Upgrade

log = structlog.get_logger(__name__)

X_REQUEST_ID: Final = istr("X-Request-Id")
_is_request_id = regex("[!-~]{1,128}").fullmatch

# After these the rest of the body may still be on its way.
_CLOSING_CODES: Final = frozenset({"PAYLOAD_TOO_LARGE", "REQUEST_TIMEOUT"})

Observe = Callable[[str, int, float], None]
"""Is told of each answer: the operation, the status, and the seconds it took."""


class App:
    """Answers requests. `in_flight` counts those that are being answered."""

    def __init__(
        self,
        routes: Routes,
        cors: Cors | None,
        strangers: Strangers,
        op_ids: OpIds,
        failures: FailureLog,
        finisher: Finisher,
        *,
        on_answered: Observe | None = None,
    ) -> None:
        self._routes = routes
        self.commands = routes.commands
        self._cors = cors
        self._strangers = strangers
        self._on_answered = on_answered
        self.new_id = op_ids.new
        self._failures = failures
        self._limiter = Limiter()
        self.finisher = finisher
        self.in_flight = 0

    async def handle(self, request: web.BaseRequest) -> Prebuilt | Switched:
        """Answer one request; never raises anything but CancelledError."""
        started_s = perf_counter()
        op_id = self.new_id()
        request_id = request_id_of(request.headers, op_id)
        REQUEST_ID.set(request_id)
        route, places = self._routes.find(request.method, request.rel_url.raw_path)
        close = False
        self.in_flight += 1
        try:
            answer = await route.endpoint.answer(request, op_id, places)
        except CroupierError as error:
            if _needs_no_token(error, request, route):
                error = self._strangers.refusal(request, route.operation) or error
            answer = self.failed(error, route, request_id, op_id)
            close = error.code in _CLOSING_CODES or request.content.exception() is not None
        except Exception as error:
            answer = self.failed(error, route, request_id, op_id)
        finally:
            self.in_flight -= 1
        headers = self.answered(answer, route, request.headers, request_id, op_id, started_s)
        if isinstance(answer, Upgrade):
            return Switched(answer, headers, request.protocol)
        return self.finisher.finish(request, answer, headers, close=close)

    def answered(
        self, answer: Answer, route: Route, asked: Headers, request_id: str, op_id: bytes, started_s: float
    ) -> str:
        """Count and log an answer to a request with the headers `asked`. The header lines that every answer has."""
        headers = f"X-Request-Id: {request_id}\r\n"
        if route.is_command:
            headers += f"Op-Id: {op_id.hex()}\r\n"
        if self._cors is not None:
            headers += self._cors.headers(asked.get(hdrs.ORIGIN))
        seconds = perf_counter() - started_s
        route.metrics.answered(answer.status, seconds)
        if self._on_answered is not None:
            self._on_answered(route.operation, answer.status, seconds)
        return headers

    def failed(self, error: Exception, route: Route, request_id: str, op_id: bytes) -> Answer:
        """Write a failure to the log, and answer it."""
        if not isinstance(error, CroupierError):
            internal = CroupierError("INTERNAL")
            internal.__cause__ = error
            error = internal
        self._failures.write(error, route.operation, op_id if route.is_command else None)
        return failure(error, request_id)

    def refuse_connection(
        self, request: web.BaseRequest, status: int, error: BaseException | None
    ) -> Prebuilt:
        """The reply to what did not get as far as `handle`, mostly because it is not HTTP; then the connection ends."""
        return self.finisher.finish(request, *self.refused(status, error), close=True)

    def refuse_one_too_many(self) -> bytes:
        """The whole reply to a connection for which there is no room; then it ends."""
        op_id = self.new_id()
        error = CroupierError(
            "OVERLOADED", "This server has no room for another connection.", retry_after_s=1
        )
        answer = self.failed(error, self._routes.unknown, op_id.hex(), op_id)
        self._routes.unknown.metrics.answered(answer.status, 0.0)
        headers = f"X-Request-Id: {op_id.hex()}\r\nConnection: close\r\n"
        return self.finisher.head(answer, headers) + answer.body

    def refused(self, status: int, error: BaseException | None) -> tuple[Answer, str]:
        """The answer to what has no other, and the header lines that go with it."""
        request_id = self.new_id().hex()
        code = "MALFORMED_REQUEST" if status < 500 else "INTERNAL"
        if code == "INTERNAL":
            log.error("request failed", request_id=request_id, code=code, exc_info=error)
        elif (extra := self._limiter.allow(code)) is not None:
            # The error itself repeats what the client sent, which may hold a token.
            log.info("request refused", request_id=request_id, code=code, error=type(error).__name__, **extra)
        answer = failure(CroupierError(code), request_id)
        self._routes.unknown.metrics.answered(answer.status, 0.0)
        return answer, f"X-Request-Id: {request_id}\r\n"


def request_id_of(headers: Headers, op_id: bytes) -> str:
    """The request id that the client has chosen, or else one that follows from the operation's."""
    request_id = headers.get(X_REQUEST_ID)
    return request_id if request_id is not None and _is_request_id(request_id) else op_id.hex()


def _needs_no_token(error: CroupierError, request: web.BaseRequest, route: Route) -> bool:
    """Whether anyone can cause this error, as often as they like."""
    if isinstance(error, FromStranger):
        return True
    if error.code == "MALFORMED_REQUEST":
        # Two tokens are refused before either is looked at; what else is malformed is found after the token was good.
        return len(request.headers.getall(hdrs.AUTHORIZATION, ())) > 1
    return error.code == "UNAUTHENTICATED" or route.operation == UNKNOWN_OPERATION
