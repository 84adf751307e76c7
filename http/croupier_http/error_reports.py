"""Reports to Sentry, where SENTRY_DSN is set: unforeseen errors, and how long requests took if a share of them is asked
for. Elsewhere nothing of this is imported or installed.

What is reported is what the log has at level `error`, and what ends a process. An event has the type of an exception
and the lines of code it came through, but no message of an exception, no local variable, no request: any of these may
repeat what a client has sent, or a password. The ids in the event lead to the line in the log that says more.
"""

import importlib
import importlib.util
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from random import random
from types import TracebackType
from typing import Any, Final

from croupier.settings import Settings, SettingsError
from croupier_http.logs import Limiter

_PACKAGE: Final = "sentry_sdk"
_TAGS: Final = (
    "operation", "command", "code", "op_id", "request_id", "partition", "reason", "projection", "sink", "exit_code",
)  # fmt: skip
"""What of a log line goes with it; all are names and ids of our own making, but for the request id."""
_KEPT: Final = (
    "event_id",
    "level",
    "timestamp",
    "platform",
    "release",
    "server_name",
    "logger",
    "message",
    "tags",
    "type",
    "transaction",
    "transaction_info",
    "start_timestamp",
)
_KEPT_OF_FRAME: Final = ("filename", "function", "module", "lineno", "in_app")
_FLUSH_TIMEOUT_S: Final = 2.0

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def check(settings: Settings) -> None:
    """Raises SettingsError where SENTRY_DSN is no DSN, or what it needs is not installed."""
    if not settings.sentry_dsn:
        return
    if importlib.util.find_spec(_PACKAGE) is None:
        raise SettingsError(
            "SENTRY_DSN is set, and sentry-sdk is not installed: pip install 'croupier[sentry]'"
        )
    utils = importlib.import_module("sentry_sdk.utils")
    try:
        utils.Dsn(settings.sentry_dsn)
    except utils.BadDsn:
        # Without the value, which has a key in it; and so without the error itself.
        raise SettingsError("SENTRY_DSN is no DSN such as https://key@sentry.example/1") from None


def start(settings: Settings) -> None:
    """From now on report errors of this process; does nothing where SENTRY_DSN is not set.

    To be called once the log is configured, which replaces all handlers. Raises SettingsError.
    """
    if not settings.sentry_dsn:
        return
    check(settings)
    sentry = importlib.import_module(_PACKAGE)
    excepthook = importlib.import_module("sentry_sdk.integrations.excepthook")
    atexit = importlib.import_module("sentry_sdk.integrations.atexit")
    sentry.init(
        dsn=settings.sentry_dsn,
        release=f"croupier@{version('croupier')}",
        before_send=scrubbed,
        before_send_transaction=scrubbed,
        default_integrations=False,  # they would look at requests, modules and the command line
        auto_enabling_integrations=False,
        integrations=[
            excepthook.ExcepthookIntegration(),
            atexit.AtexitIntegration(callback=lambda _pending, _timeout_s: None),
        ],
        shutdown_timeout=_FLUSH_TIMEOUT_S,
        max_breadcrumbs=0,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        send_default_pii=False,
        send_client_reports=False,
        auto_session_tracking=False,
    )
    logging.getLogger().addHandler(_Reports())


def traces(settings: Settings) -> Callable[[str, int, float], None] | None:
    """Reports an answer (operation, status, seconds) as a transaction of Sentry, of as large a share of them as
    SENTRY_TRACES_SAMPLE_RATE says; None where that is none. To be called after `start`."""
    rate = settings.sentry_traces_sample_rate
    if not settings.sentry_dsn or not rate:
        return None
    sentry = importlib.import_module(_PACKAGE)

    def report(operation: str, status: int, seconds: float) -> None:
        if random() < rate:  # noqa: S311 - it chooses what is measured
            sentry.capture_event(_transaction(operation, status, seconds))

    return report


def _transaction(operation: str, status: int, seconds: float) -> dict[str, Any]:
    """See develop.sentry.dev, "Transaction Payloads"."""
    end_s = time.time()
    trace = {
        "trace_id": secrets.token_hex(16),
        "span_id": secrets.token_hex(8),
        "op": "http.server",
        "status": "ok" if status < 400 else "internal_error" if status >= 500 else "failed_precondition",
    }
    return {
        "type": "transaction",
        "transaction": operation,
        "transaction_info": {"source": "route"},
        "start_timestamp": end_s - seconds,
        "timestamp": end_s,
        "contexts": {"trace": trace},
        "tags": {"operation": operation, "status": str(status)},
    }


class _Reports(logging.Handler):
    """Turns lines of the log into events; no more than so many per second of each kind."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._sentry = importlib.import_module(_PACKAGE)
        self._utils = importlib.import_module("sentry_sdk.utils")
        self._limiter = Limiter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_PACKAGE):
            return
        # structlog hands over its event; of other loggers the text may repeat anything.
        line: Mapping[str, Any] = record.msg if isinstance(record.msg, dict) else {}
        message = str(line.get("event", record.name))
        if self._limiter.allow(f"{record.name} {message}") is None:
            return
        try:
            self._sentry.capture_event(self._event(record, line, message))
        except Exception:
            self.handleError(record)

    def _event(self, record: logging.LogRecord, line: Mapping[str, Any], message: str) -> dict[str, Any]:
        event: dict[str, Any] = {}
        if exc_info := _exc_info(line.get("exc_info") or record.exc_info):
            event, _hint = self._utils.event_from_exception(
                exc_info, client_options=self._sentry.get_client().options
            )
        tags = {name: str(line[name]) for name in _TAGS if line.get(name) is not None}
        return {**event, "level": "error", "logger": record.name, "message": message, "tags": tags}


def _exc_info(value: object) -> ExcInfo | None:
    """What `exc_info` of a log line may be, in one form."""
    if isinstance(value, BaseException):
        return type(value), value, value.__traceback__
    return value if isinstance(value, tuple) and value[0] is not None else None


def scrubbed(event: Mapping[str, Any], _hint: object = None) -> dict[str, Any]:
    """The event with only those parts of which we know that they are harmless."""
    kept = {name: event[name] for name in _KEPT if name in event}
    exceptions = event.get("exception", {}).get("values", [])
    if exceptions:
        kept["exception"] = {"values": [_exception(each) for each in exceptions]}
    if event.get("type") == "transaction":
        kept["contexts"] = {"trace": event["contexts"]["trace"]}
    return kept


def _exception(exception: Mapping[str, Any]) -> dict[str, Any]:
    frames = (exception.get("stacktrace") or {}).get("frames", [])
    return {
        "type": exception.get("type"),
        "module": exception.get("module"),
        "stacktrace": {
            "frames": [{name: frame.get(name) for name in _KEPT_OF_FRAME} for frame in frames],
        },
    }
