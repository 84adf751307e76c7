"""Puts the parts of one worker's application together."""

from croupier.op_id import OpIds
from croupier.query import Sources
from croupier.registry import BATCHES, COMMANDS, QUERIES
from croupier.settings import Settings
from croupier_http.addresses import Addresses
from croupier_http.app import App
from croupier_http.auth import Authenticator
from croupier_http.batches import BatchEndpoint
from croupier_http.bodies import BODY_TIMEOUT_S
from croupier_http.cors import Cors
from croupier_http.endpoints import CommandEndpoint, QueryEndpoint
from croupier_http.metrics import Sampler
from croupier_http.operations import operation_id
from croupier_http.pages import Pages
from croupier_http.reads import ReadsWithoutRedis
from croupier_http.routes import Routes
from croupier_http.strangers import PROBES, LimitedPage, Strangers


def build_app(
    sources: Sources, settings: Settings, *, body_timeout_s: float = BODY_TIMEOUT_S
) -> tuple[App, Sampler]:
    """The application, and what keeps its metrics up to date. Raises SettingsError."""
    authenticator = Authenticator(settings.jwt_secret_key)
    cors = Cors.parse(settings.cors_origins)
    strangers = Strangers(
        Addresses.parse(settings.trusted_proxies),
        settings.stranger_rate_per_second,
        settings.stranger_rate_per_minute,
    )
    reads = ReadsWithoutRedis(sources.engine.transport.breaker, settings.reads_without_redis_per_minute)
    routes = Routes(cors)
    op_ids = OpIds(sources.engine.now_ms)
    app = App(routes, cors, strangers, op_ids, log_requests=settings.log_level == "debug")
    sampler = Sampler(sources.engine.transport, lambda: app.in_flight)
    for command in COMMANDS:
        endpoint = CommandEndpoint(command, sources.engine, authenticator, body_timeout_s)
        routes.add("POST", command.path, endpoint, is_command=True)
        sampler.tallies.append(endpoint.outcomes)
    for batch in BATCHES:
        several = BatchEndpoint(batch, sources.engine, authenticator, op_ids, body_timeout_s)
        routes.add("POST", batch.path, several)
        sampler.tallies.append(several.outcomes)
    for query in QUERIES:
        routes.add("GET", query.path, QueryEndpoint(query, sources, authenticator, reads))
    for path, page in Pages(sources, sampler).endpoints().items():
        limited = page if path in PROBES else LimitedPage(page, operation_id(path), strangers)
        routes.add("GET", path, limited)
    sampler.tallies += [metrics.replies for metrics in routes.metrics.values()]
    return app, sampler
