"""Structured logs on standard error: one JSON object a line, or readable lines where it is a terminal."""

import logging
import re
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import IO, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that is being answered; every line logged meanwhile carries it."""

LIMITED_LINES_PER_S: Final = 5

_SECRET_NAMES: Final = re.compile(
    r"authorization|cookie|(\w+_)?(token|secret|password|seed|master_keys?|secret_key)", re.IGNORECASE
)
_SECRET_TEXT: Final = re.compile(
    r"(?P<kept>\b(?:token|ticket)=|\bbearer\s+)[^\s&\"']+|(?P<login>://[^/\s:@]*:)[^\s@/]+(?=@)",
    re.IGNORECASE,
)
_REDACTED: Final = "[redacted]"


def configure(level: str, stream: IO[str] | None = None) -> None:
    """Route structlog and the standard library's loggers to one handler. `level` is `debug` to `error`."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
    ]
    terminal = stream.isatty()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact,
                structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
                if terminal
                else structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("aiohttp.server", "aiohttp.web", "aiohttp.internal"):
        logging.getLogger(name).addFilter(LineLimit())


def request_log(level: str) -> Callable[[str, int, float], None] | None:
    """Writes a line for each answer (operation, status, seconds), which is for level `debug` only; else None."""
    if level != "debug":
        return None
    log = structlog.get_logger(__name__)
    return lambda operation, status, seconds: log.debug(
        "request", operation=operation, status=status, ms=round(seconds * 1000, 3)
    )


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if request_id := REQUEST_ID.get():
        event["request_id"] = request_id
    return event


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last guard: nothing should hand secrets to the log in the first place."""
    for name, value in event.items():
        if _SECRET_NAMES.fullmatch(name):
            event[name] = _REDACTED
        elif isinstance(value, str):
            event[name] = _SECRET_TEXT.sub(rf"\g<kept>\g<login>{_REDACTED}", value)
    return event


class Limiter:
    """Lets a bounded number of lines per second through for each kind, and counts the others."""

    def __init__(self, lines_per_s: int = LIMITED_LINES_PER_S) -> None:
        self._lines_per_s = lines_per_s
        self._second = 0
        self._seen: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}

    def allow(self, kind: str) -> dict[str, int] | None:
        """None where the line is one too many; else what to add to it: how many were left out before it."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._seen.clear()
        seen = self._seen[kind] = self._seen.get(kind, 0) + 1
        if seen > self._lines_per_s:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return None
        suppressed = self._suppressed.pop(kind, 0)
        return {"suppressed": suppressed} if suppressed else {}


class LineLimit(logging.Filter):
    """A `Limiter` for a logger of the standard library."""

    def __init__(self) -> None:
        super().__init__()
        self._limiter = Limiter()

    def filter(self, record: logging.LogRecord) -> bool:
        extra = self._limiter.allow(record.levelname)
        if extra is None:
            return False
        vars(record).update(extra)
        return True
