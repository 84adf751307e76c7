"""All parts of Croupier on one machine: the order in which they start, and in which they stop."""

import asyncio
import http.client
import json
import time
from contextlib import ExitStack
from typing import Final, Never
from urllib.parse import urlsplit

import msgspec

from croupier.settings import Settings
from croupier_cli import data_directory
from croupier_cli.analytics import carried_on, with_embedded
from croupier_cli.children import Child
from croupier_cli.drain import drain
from croupier_cli.embedded import DirectoryLock, Kafka, Postgres, Valkey
from croupier_cli.embedded.clickhouse import ClickHouse
from croupier_cli.errors import CannotRun
from croupier_cli.exit_codes import CANNOT_RUN
from croupier_cli.interruption import Interruption
from croupier_cli.preflight import check_before_start, check_servers, economy_not_in_force, free_port
from croupier_cli.ready import base_url
from croupier_cli.servers import clickhouse, postgres
from croupier_cli.steps import Steps
from croupier_sync.export import clickhouse_tables
from croupier_sync.migrations import migrate

READY_TIMEOUT_S: Final = 60.0

_WATCH_INTERVAL_S: Final = 0.2
_READY_INTERVAL_S: Final = 0.05
_ANSWER_TIMEOUT_S: Final = 5.0


class Ended(Exception):
    """Something that should have kept running did not; the message is one line."""


class Machine:
    """Valkey, Postgres, the sync daemon, the HTTP workers, and the analytics where they are on.

    What `start` starts, `running` stops when it is closed: the HTTP workers finish what they have begun; the sync
    daemon carries the rest of the outbox to Postgres, and the export that to the sinks; then the servers. When the stop
    is `interruption.hurried`, nothing is waited for that the next start can do as well.
    """

    def __init__(
        self, settings: Settings, running: ExitStack, interruption: Interruption, steps: Steps
    ) -> None:
        self.settings = settings
        self._running = running
        self._interruption = interruption
        self._steps = steps
        self._children: list[Child] = []
        self._servers: dict[str, Valkey | Postgres] = {}
        self._analytics: dict[str, Kafka | ClickHouse | Child] = {}

    def start(self) -> None:
        """Return when a pull would succeed. Raises Ended, and what `croupier_cli.failures` has a line for."""
        self.settings = with_embedded(self.settings)
        check_before_start(self.settings)
        lock = self._take_directory()
        self._running.callback(self._end_children)
        self._start_servers()
        with self._steps.step("checking the servers, creating tables"):
            asyncio.run(self._prepare())
        # No spinner from here on: their logs go to the same terminal.
        self._steps.note("starting the sync daemon and the HTTP workers")
        if self.settings.kafka_on or self.settings.clickhouse_on:
            export = self._start_child("export", lock)
            self._analytics["the export"] = export
            self._running.callback(self._stop_export, export)
        sync = self._start_child("sync", lock)
        self._running.callback(self._stop_sync, sync)
        serve = self._start_child("serve", lock)
        self._running.callback(self._stop_serve, serve)
        self._until_ready()
        if warning := asyncio.run(economy_not_in_force(self.settings)):
            self._steps.note(warning)

    def wait(self) -> Never:
        """Wait until something ends that should not. Raises Ended."""
        while True:
            self._require_all()
            self._miss_analytics()
            time.sleep(_WATCH_INTERVAL_S)

    # Starting.

    def _take_directory(self) -> DirectoryLock:
        """Lock the data directory; complete the settings with the port and the secrets."""
        settings = self.settings
        data_directory.make_data_directory(settings.data_dir)
        lock = self._running.enter_context(DirectoryLock.acquire(settings.data_dir))
        port = free_port(settings)
        self.settings = msgspec.structs.replace(data_directory.with_secrets(settings), http_port=port)
        return lock

    def _start_servers(self) -> None:
        """Start those servers that no URL replaces, each once it is certain that it may be used with the other."""
        directory = self.settings.data_dir
        embedded = data_directory.Servers()
        if not self.settings.redis_url:
            with self._steps.step("starting Valkey"):
                valkey = self._running.enter_context(Valkey.start(directory / data_directory.VALKEY))
            self._servers["Valkey"] = valkey
            embedded.redis_url = valkey.url
            self.settings = msgspec.structs.replace(self.settings, redis_url=valkey.url)
            asyncio.run(check_servers(self.settings))
        if not self.settings.database_url:
            with self._steps.step("starting Postgres"):
                server = self._running.enter_context(Postgres.start(directory / data_directory.POSTGRES))
            self._servers["Postgres"] = server
            embedded.database_url = server.url
            self.settings = msgspec.structs.replace(self.settings, database_url=server.url)
        self._start_analytics(embedded)
        self._running.enter_context(data_directory.announced(directory, embedded))

    def _start_analytics(self, embedded: data_directory.Servers) -> None:
        """The same for Kafka and ClickHouse, where they are on."""
        directory, settings = self.settings.data_dir, self.settings
        if settings.kafka_enabled and not settings.kafka_bootstrap_servers:
            with self._steps.step("starting the Kafka broker"):
                kafka = self._running.enter_context(Kafka.start(directory / data_directory.KAFKA))
            self._analytics["Kafka"] = kafka
            embedded.kafka_bootstrap_servers = kafka.bootstrap_servers
            settings = msgspec.structs.replace(settings, kafka_bootstrap_servers=kafka.bootstrap_servers)
        if settings.clickhouse_enabled and not settings.clickhouse_url:
            with self._steps.step("starting ClickHouse"):
                server = self._running.enter_context(ClickHouse.start(directory / data_directory.CLICKHOUSE))
            self._analytics["ClickHouse"] = server
            embedded.clickhouse_url = server.url
            settings = msgspec.structs.replace(settings, clickhouse_url=server.url)
        self.settings = settings

    async def _prepare(self) -> None:
        await check_servers(self.settings)
        async with postgres(self.settings.database_url) as connection:
            await migrate(
                connection,
                lambda name: self._steps.note(f"applying {name}"),
                deterministic=bool(self.settings.deterministic_seed),
            )
        if self.settings.clickhouse_on:
            async with clickhouse(self.settings.clickhouse_url) as connected:
                await clickhouse_tables.migrate(connected, lambda name: self._steps.note(f"applying {name}"))

    def _start_child(self, command: str, lock: DirectoryLock) -> Child:
        settings = self.settings
        environment = {
            "REDIS_URL": settings.redis_url,
            "DATABASE_URL": settings.database_url,
            "JWT_SECRET_KEY": settings.jwt_secret_key,
            "CROUPIER_MASTER_KEYS": settings.master_keys,
            "CROUPIER_HTTP_PORT": str(settings.http_port),
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
            "CLICKHOUSE_URL": settings.clickhouse_url,
            "KAFKA_ENABLED": str(settings.kafka_on).lower(),
            "CLICKHOUSE_ENABLED": str(settings.clickhouse_on).lower(),
        }
        child = Child(command, environment, lock)
        self._children.append(child)
        return child

    def _until_ready(self) -> None:
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while reason := _not_ready(base_url(self.settings)):
            for child in self._children:
                if child.exit_code == CANNOT_RUN:
                    raise CannotRun(f"{child.name} cannot run as asked; the line above says why")
            self._require_all()
            if time.monotonic() > deadline_s:
                raise CannotRun(f"not ready within {READY_TIMEOUT_S:g} s: {reason}")
            time.sleep(_READY_INTERVAL_S)

    def _require_all(self) -> None:
        """Raise Ended where something does not run any more."""
        for name, server in self._servers.items():
            if not server.is_running():
                log = self.settings.data_dir / name.lower() / f"{name.lower()}.log"
                raise Ended(f"{name} has ended unexpectedly; everything is stopped (log: {log})")
        for child in self._children:
            if (code := child.exit_code) is not None and child not in self._analytics.values():
                raise Ended(
                    f"{child.name} has ended unexpectedly, with exit code {code}; everything is stopped"
                )

    def _miss_analytics(self) -> None:
        """Say once what of the analytics does not run any more: players do not need it."""
        for name, part in list(self._analytics.items()):
            if not part.is_running():
                del self._analytics[name]
                self._steps.note(f"{name} has ended unexpectedly; the next start goes on with the analytics")

    # Stopping, in this order.

    def _stop_serve(self, serve: Child) -> None:
        with self._steps.step("stopping the HTTP workers"):
            serve.stop(self._is_hurried)

    def _stop_sync(self, sync: Child) -> None:
        with self._steps.step("stopping the sync daemon"):
            if sync.exit_code is None and not asyncio.run(drain(self.settings, self._is_hurried)):
                self._steps.note("the next start carries the rest of the outbox to Postgres")
            sync.stop(self._is_hurried)
            if self._is_hurried():
                sync.kill()  # it may end between any two steps

    def _stop_export(self, export: Child) -> None:
        with self._steps.step("stopping the export"):
            if export.is_running() and not asyncio.run(carried_on(self.settings, self._is_hurried)):
                self._steps.note("the next start carries the rest of the log to Kafka and ClickHouse")
            export.stop(self._is_hurried)
            if self._is_hurried():
                export.kill()  # it may end between any two steps

    def _end_children(self) -> None:
        """Those that a hurried stop has not waited for."""
        for child in self._children:
            child.end()

    def _is_hurried(self) -> bool:
        return self._interruption.hurried


def _not_ready(url: str) -> str:
    """Why the server is not ready; empty where it is."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=_ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/ready")
        reply = connection.getresponse()
        body = json.loads(reply.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"the HTTP server does not answer: {error}"
    finally:
        connection.close()
    if reply.status == http.client.OK:
        return ""
    failed = [f"{name}: {outcome}" for name, outcome in body.get("checks", {}).items() if outcome != "ok"]
    return "; ".join(failed) or f"/ready answers with status {reply.status}"
