"""One worker: a process with an event loop, a connection to Redis, connections to Postgres, and a share of the port."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Final

import asyncpg
import structlog
import uvloop
from aiohttp import web

from croupier.clickhouse import ClickHouse
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.query import Sources
from croupier.room import keep_measuring
from croupier.settings import Settings, SettingsError
from croupier.sweeper import keep_sweeping
from croupier_http import error_reports, logs
from croupier_http.build import build_app
from croupier_http.checks import CannotServe
from croupier_http.crowd import allow_connections
from croupier_http.keeper import keep_connected
from croupier_http.metrics import Sampler
from croupier_http.pages import NO_POSTGRES
from croupier_http.preflight import connect_later, load_configured_economy
from croupier_http.protocol import HttpServer, require_c_parser
from croupier_http.ws.sockets import Sockets

log = structlog.get_logger("croupier_http.worker")  # as the main module it would have another name

EXIT_CANNOT_RUN: Final = 2
_SHUTDOWN_MARGIN_S: Final = 3.0

_BACKLOG: Final = 4_096
"""Connections that may wait to be accepted; the system's `net.core.somaxconn` bounds it too. One that finds no room is
tried again by the client's system, a second later and more: too few make a crowd that comes back wait for minutes."""

_POSTGRES_CONNECTIONS_MAX: Final = 8
_POSTGRES_TIMEOUT_S: Final = 5.0
_SAMPLE_INTERVAL_S: Final = 1.0
_FIRST_LOOK_S: Final = 0.5
_FIRST_LOOK_PAUSE_S: Final = 0.02
CONTROL_VARIABLE: Final = "CROUPIER_CONTROL_FD"
"""Number of the socket to the supervisor: the worker writes `LISTENING` to it, and stops when the other end closes."""
LISTENING: Final = b"L"


def shutdown_timeout_s(settings: Settings) -> float:
    """How long requests that were begun may take to end: longer than a command and its durability."""
    return settings.command_timeout_seconds + settings.durability_timeout_seconds + _SHUTDOWN_MARGIN_S


async def run_worker(
    settings: Settings,
    stop: asyncio.Event | None = None,
    *,
    listening: Callable[[str, int], None] = lambda _host, _port: None,
) -> None:
    """Serve until `stop` is set, then finish what was begun and close everything.

    Redis, its partition and Postgres may come later: until then requests are answered with 503. `listening` is called
    with host and port once connections are accepted. Raises SettingsError, CannotServe, and OSError where the address
    cannot be had.
    """
    require_c_parser()
    stop = stop or asyncio.Event()
    async with _sources(settings) as sources:
        economy = None if sources.postgres else load_configured_economy(settings)
        app, sampler, web_sockets, odds_watch = build_app(sources, settings)
        timeout_s = shutdown_timeout_s(settings)
        server = HttpServer(app, timeout_s, allow_connections(settings.http_connections_max))
        runner = _Runner(server, web_sockets.sockets, timeout_s)
        await runner.setup()
        try:
            site = web.TCPSite(
                runner, settings.http_host, settings.http_port, reuse_port=True, backlog=_BACKLOG
            )
            await _until_stopped(
                stop,
                keep_connected(sources.engine, economy),
                keep_sweeping(sources.engine),
                _keep_sampling(sampler),
                _keep_listening(sources.engine),
                keep_measuring(sources.engine, sources.postgres),
                odds_watch.keep_watching(),
                web_sockets.sockets.keep_watching(),
                web_sockets.greetings.keep_greeting(),
                web_sockets.live.keep_listening(),
                web_sockets.live.keep_delivering(),
                _listen(site, sources.engine, lambda: listening(settings.http_host, site.port)),
            )
        finally:
            app.finisher.closing = True
            await runner.cleanup()
            sampler.sample()


class _Runner(web.ServerRunner):
    """Ends the WebSockets once no more connections are accepted: to aiohttp they are requests that never end."""

    def __init__(self, server: HttpServer, sockets: Sockets, timeout_s: float) -> None:
        super().__init__(server, shutdown_timeout=timeout_s)
        self._sockets = sockets
        self._timeout_s = timeout_s

    async def shutdown(self) -> None:
        await self._sockets.drain(self._timeout_s)


@contextlib.asynccontextmanager
async def _sources(settings: Settings) -> AsyncIterator[Sources]:
    """The engine and the connections behind it, closed afterwards. Raises SettingsError."""
    clickhouse = _clickhouse(settings)
    transport = connect_later(settings)
    pool, durability = None, None
    if settings.database_url:
        pool = await asyncpg.create_pool(
            settings.database_url,
            min_size=0,  # nothing is connected before it is needed, so that Postgres may come later
            max_size=_POSTGRES_CONNECTIONS_MAX,
            timeout=_POSTGRES_TIMEOUT_S,
            command_timeout=_POSTGRES_TIMEOUT_S,
        )
        durability = Durability(pool, settings.durability_timeout_seconds, settings.redis_url)
    else:
        log.warning(NO_POSTGRES)
    try:
        yield Sources(Engine(transport, settings, durability), pool, clickhouse)
    finally:
        if clickhouse is not None:
            await clickhouse.close()
        await transport.close()
        if pool is not None:
            pool.terminate()


def _clickhouse(settings: Settings) -> ClickHouse | None:
    """ClickHouse, which is connected to when it is first asked."""
    return ClickHouse.of_url(settings.clickhouse_url) if settings.clickhouse_on else None


async def _listen(site: web.TCPSite, engine: Engine, listening: Callable[[], None]) -> None:
    """Accept connections. Never returns; raises OSError where the address cannot be had.

    First the worker has a look at the partition, so that of several workers none answers "not ready" after another one
    was ready; but not for long, since it may not be open yet.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_LOOK_S):
            while True:
                if engine.transport.identity is not None:
                    with contextlib.suppress(CroupierError):
                        await engine.views.in_force(0)
                        break
                await asyncio.sleep(_FIRST_LOOK_PAUSE_S)
    await site.start()
    listening()
    await asyncio.Event().wait()


async def _keep_listening(engine: Engine) -> None:
    if engine.durability is not None:
        await engine.durability.keep_listening()
    await asyncio.Event().wait()


async def _keep_sampling(sampler: Sampler) -> None:
    while True:
        sampler.sample()
        await asyncio.sleep(_SAMPLE_INTERVAL_S)


async def _until_stopped(stop: asyncio.Event, *tasks: Coroutine[None, None, None]) -> None:
    """Run the tasks until `stop` is set, or until one of them fails, whose error is then raised."""
    running = [asyncio.ensure_future(each) for each in (stop.wait(), *tasks)]
    done, pending = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def main() -> int:
    """A worker process, as the supervisor starts it: settings from the environment, one socket to the supervisor."""
    try:
        settings = Settings.from_environment(os.environ)
        logs.configure(settings.log_level)
        error_reports.start(settings)
        _collect_rarely()
        with socket.socket(fileno=int(os.environ[CONTROL_VARIABLE])) as control:
            uvloop.run(_supervised(settings, control))
    except (SettingsError, CannotServe) as error:
        sys.stderr.write(f"croupier: {error}\n")
        return EXIT_CANNOT_RUN
    return 0


def _collect_rarely() -> None:
    """Have the garbage collector look at fewer objects, and less often.

    Commands in flight are thousands of objects that are no garbage, and by default Python looks at them every 700
    allocations: a third of a command's CPU where many are under way. What was imported is never looked at again.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _supervised(settings: Settings, control: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def supervisor_gone() -> None:  # the supervisor never writes, so what can be read is the end
        loop.remove_reader(control)
        stop.set()

    loop.add_reader(control, supervisor_gone)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await run_worker(settings, stop, listening=lambda _host, _port: control.sendall(LISTENING))
    finally:
        loop.remove_reader(control)


if __name__ == "__main__":
    sys.exit(main())
