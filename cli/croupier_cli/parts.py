"""`croupier serve`, `sync`, `export` and `migrate`: the parts of `croupier up`, each by itself."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import uvloop

from croupier.settings import Settings, SettingsError
from croupier_cli.economies import configured_economy
from croupier_cli.output import JsonFlag, note, result, result_json
from croupier_cli.servers import (
    clickhouse,
    postgres,
    redis,
    require,
    require_redis_url,
    require_same_installation,
)
from croupier_http import error_reports, logs, server
from croupier_sync import main as sync_daemon
from croupier_sync.export import clickhouse_tables
from croupier_sync.export import main as export_daemon
from croupier_sync.migrations import migrate as apply_migrations


def serve() -> int:
    """Run the HTTP workers until Ctrl-C or SIGTERM, against REDIS_URL and DATABASE_URL.

    Without DATABASE_URL there is no history, and only what Redis keeps on its disk survives. Needs JWT_SECRET_KEY and
    CROUPIER_MASTER_KEYS too. Servers that are away are waited for; until then requests are answered with 503.

    Example: `CROUPIER_HTTP_PORT=8080 CROUPIER_WORKERS=4 croupier serve`
    """
    settings = Settings.from_environment(os.environ)
    require(settings, "REDIS_URL", "JWT_SECRET_KEY", "CROUPIER_MASTER_KEYS")
    return server.run(settings)


def sync() -> None:
    """Run the sync daemon until Ctrl-C or SIGTERM: it carries every event from REDIS_URL to DATABASE_URL.

    Several may run at once: one works, the others stand by. Servers that are away are waited for.

    Example: `REDIS_URL=redis://127.0.0.1:6379/0 DATABASE_URL=postgresql://croupier@127.0.0.1/croupier croupier sync`
    """
    settings = Settings.from_environment(os.environ)
    require(settings, "REDIS_URL", "DATABASE_URL")
    require_redis_url(settings.redis_url)
    configured_economy(settings)
    logs.configure(settings.log_level)
    error_reports.start(settings)
    uvloop.run(_until_stopped(lambda stop: sync_daemon.run(settings, stop)))


async def _until_stopped(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(stop)


def export() -> None:
    """Run the export until Ctrl-C or SIGTERM: it carries every event from DATABASE_URL to Kafka and ClickHouse.

    They go to Kafka where KAFKA_BOOTSTRAP_SERVERS is set, and to ClickHouse where CLICKHOUSE_URL is;
    KAFKA_ENABLED=false and CLICKHOUSE_ENABLED=false switch one off. Several may run at once: one works on each sink,
    the others stand by. Servers that are away are waited for.

    Example: `DATABASE_URL=postgresql://... KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 croupier export`
    """
    settings = Settings.from_environment(os.environ)
    require(settings, "DATABASE_URL")
    for enabled, variable in (
        (settings.kafka_enabled, "KAFKA_BOOTSTRAP_SERVERS"),
        (settings.clickhouse_enabled, "CLICKHOUSE_URL"),
    ):
        if enabled:
            require(settings, variable)
    if not settings.kafka_on and not settings.clickhouse_on:
        raise SettingsError(
            "KAFKA_BOOTSTRAP_SERVERS or CLICKHOUSE_URL must be set: there is nowhere to export to"
        )
    logs.configure(settings.log_level)
    error_reports.start(settings)
    uvloop.run(_until_stopped(lambda stop: export_daemon.run(settings, stop)))


def migrate(*, as_json: JsonFlag = False) -> None:
    """Bring the tables of DATABASE_URL up to date. Prints the migrations that it applied; there may be none.

    Where REDIS_URL is set as well, it must belong to the same installation. Where CLICKHOUSE_URL is set, its tables are
    brought up to date too.

    Example: `DATABASE_URL=postgresql://croupier@127.0.0.1/croupier croupier migrate`
    """
    settings = Settings.from_environment(os.environ)
    require(settings, "DATABASE_URL")
    logs.configure(settings.log_level)
    error_reports.start(settings)
    applied = asyncio.run(_migrate(settings))
    if as_json:
        result_json({"applied": applied})
    else:
        result("\n".join(applied) or "nothing to do")


async def _migrate(settings: Settings) -> list[str]:
    def progress(name: str) -> None:
        note(f"applying {name}")

    async with postgres(settings.database_url) as connection:
        if settings.redis_url:
            async with redis(settings.redis_url) as transport:
                await require_same_installation(transport, connection)
        deterministic = bool(settings.deterministic_seed)
        applied = await apply_migrations(connection, progress, deterministic=deterministic)
    if settings.clickhouse_on:
        async with clickhouse(settings.clickhouse_url) as server:
            applied += await clickhouse_tables.migrate(server, progress)
    return applied
