"""Puts the parts of one worker's application together."""

from typing import NamedTuple

from croupier.analytics.watch import OddsWatch
from croupier.op_id import OpIds
from croupier.query import Sources
from croupier.registry import ACTIONS, BATCHES, COMMANDS, QUERIES
from croupier.settings import Settings
from croupier_http import web
from croupier_http.actions import ActionEndpoint
from croupier_http.addresses import Addresses
from croupier_http.app import App, Observe
from croupier_http.auth import Authenticator
from croupier_http.batches import BatchEndpoint
from croupier_http.bodies import BODY_TIMEOUT_S
from croupier_http.commands import CommandRunner
from croupier_http.console.operations import OPERATIONS
from croupier_http.cors import Cors
from croupier_http.endpoints import CommandEndpoint, QueryEndpoint
from croupier_http.error_reports import traces
from croupier_http.failures import FailureLog
from croupier_http.logs import request_log
from croupier_http.metrics import REDIS_ROUND_TRIP, Sampler
from croupier_http.operations import operation_id
from croupier_http.pages import Pages
from croupier_http.reads import ReadsWithoutRedis
from croupier_http.replies import Finisher
from croupier_http.routes import Routes
from croupier_http.security_headers import reply_headers
from croupier_http.strangers import PROBES, LimitedPage, Strangers
from croupier_http.ws.endpoints import WebSockets


class Parts(NamedTuple):
    """The application, what keeps its metrics up to date, its WebSockets, and what watches the odds."""

    app: App
    sampler: Sampler
    web_sockets: WebSockets
    odds_watch: OddsWatch


def _observer(settings: Settings) -> Observe | None:
    """What is told of each answer, besides the metrics; mostly nothing."""
    observers = [observe for observe in (request_log(settings.log_level), traces(settings)) if observe]
    if not observers:
        return None

    def tell(operation: str, status: int, seconds: float) -> None:
        for observe in observers:
            observe(operation, status, seconds)

    return tell


def build_app(sources: Sources, settings: Settings, *, body_timeout_s: float = BODY_TIMEOUT_S) -> Parts:
    """Everything that one worker serves. Raises SettingsError."""
    authenticator = Authenticator(settings.jwt_secret_key)
    cors = Cors.parse(settings.cors_origins)
    strangers = Strangers(
        Addresses.parse(settings.trusted_proxies),
        settings.stranger_rate_per_second,
        settings.stranger_rate_per_minute,
    )
    reads = ReadsWithoutRedis(sources.engine.transport.breaker, settings.reads_without_redis_per_minute)
    routes = Routes(cors)
    op_ids, failures = OpIds(sources.engine.now_ms), FailureLog()
    finisher = Finisher(reply_headers(settings.hsts_seconds))
    app = App(routes, cors, strangers, op_ids, failures, finisher, on_answered=_observer(settings))
    sampler = Sampler(sources.engine.transport, lambda: app.in_flight)
    sources.engine.room.on_round_trip = REDIS_ROUND_TRIP.observe
    runners = {command.name: CommandRunner(command, sources.engine) for command in COMMANDS}
    for runner in runners.values():
        endpoint = CommandEndpoint(runner, sources.engine, authenticator, body_timeout_s)
        routes.add("POST", runner.command.path, endpoint, is_command=True)
        sampler.tallies.append(runner.outcomes)
    for action in ACTIONS:
        routes.add("POST", action.path, ActionEndpoint(action, sources, authenticator, body_timeout_s))
    for batch in BATCHES:
        several = BatchEndpoint(batch, sources.engine, authenticator, op_ids, body_timeout_s)
        routes.add("POST", batch.path, several)
        sampler.tallies.append(several.outcomes)
    for query in (*QUERIES, OPERATIONS):
        routes.add("GET", query.path, QueryEndpoint(query, sources, authenticator, reads))
    odds_watch = OddsWatch(sources)
    for path, page in Pages(sources, sampler, odds_watch).endpoints().items():
        limited = page if path in PROBES else LimitedPage(page, operation_id(path), strangers)
        routes.add("GET", path, limited)
    for path, file in web.endpoints().items():
        routes.add("GET", path, file)
    web_sockets = WebSockets(sources, settings, authenticator, cors, runners, op_ids, failures, sampler)
    for path, socket in web_sockets.endpoints().items():
        routes.add("GET", path, socket)
    for metrics in routes.metrics.values():
        sampler.tallies += metrics.replies, metrics.seconds
    return Parts(app, sampler, web_sockets, odds_watch)
