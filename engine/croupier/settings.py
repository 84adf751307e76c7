"""All settings, read from environment variables once, at start-up."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from croupier.clickhouse import Address
from croupier.environment import unknown_variables
from croupier.postgres_url import why_no_tls, why_unusable
from croupier.signing_secret import why_guessable, why_short

Secret = Annotated[str, Meta(extra={"secret": True})]
"""A text of which nothing is ever shown."""

_ENVIRONMENT = {
    "redis_url": "REDIS_URL",
    "database_url": "DATABASE_URL",
    "jwt_secret_key": "JWT_SECRET_KEY",
    "gacha_legacy_cost": "CASINO_GACHA_LEGACY_COST",
    "idempotency_ttl_seconds": "IDEMPOTENCY_TTL_SECONDS",
    "durability_timeout_seconds": "DURABILITY_TIMEOUT",
    "crash_db_strict": "CRASH_DB_STRICT",
    "rps_deterministic": "CASINO_RPS_DETERMINISTIC",
    "kafka_enabled": "KAFKA_ENABLED",
    "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
    "kafka_security_protocol": "KAFKA_SECURITY_PROTOCOL",
    "kafka_sasl_mechanism": "KAFKA_SASL_MECHANISM",
    "kafka_sasl_username": "KAFKA_SASL_USERNAME",
    "kafka_sasl_password": "KAFKA_SASL_PASSWORD",
    "kafka_ssl_cafile": "KAFKA_SSL_CAFILE",
    "kafka_purchases_topic": "KAFKA_PURCHASES_TOPIC",
    "clickhouse_enabled": "CLICKHOUSE_ENABLED",
    "clickhouse_url": "CLICKHOUSE_URL",
    "sentry_dsn": "SENTRY_DSN",
    "sentry_traces_sample_rate": "SENTRY_TRACES_SAMPLE_RATE",
}
_BOOTSTRAP_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+):[0-9]{1,5}")


def _variable(field: str) -> str:
    return _ENVIRONMENT.get(field, f"CROUPIER_{field.upper()}")


class SettingsError(Exception):
    """An environment variable does not hold what it must; the message is one line that names it, never a secret.

    `problems` has such a line for each problem found; the message is the first, and says how many there are besides.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        more = f" ({len(problems) - 1} more: `croupier config` lists them)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename=_variable):
    """Settings of every part of Croupier. Each is the environment variable of that name, or `CROUPIER_<NAME>`."""

    redis_url: str = ""
    database_url: str = ""
    jwt_secret_key: Secret = ""
    master_keys: Secret = ""
    """Keys that server seeds are derived from, as `id:64 hex characters`, several joined by commas. The highest id
    makes new seeds; the others stay for as long as receipts of seeds that came from them are to be shown."""

    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    workers: Annotated[int, Meta(ge=0, le=256)] = 0
    """HTTP worker processes; 0 is one per core."""
    http_connections_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 25_000
    """Connections that a worker keeps open at once, WebSockets among them, as far as the system lets it have so many
    files; beyond, 503 and the connection ends."""
    cors_origins: str = ""
    trusted_proxies: str = ""
    """Addresses and networks of proxies whose `X-Forwarded-For` is believed, joined by commas."""
    stranger_rate_per_second: Annotated[int, Meta(ge=0, le=10_000)] = 20
    """Requests without a valid token that a worker answers per client address in any second; 0 is no limit."""
    stranger_rate_per_minute: Annotated[int, Meta(ge=0, le=10_000)] = 300
    """The same in any 60 seconds."""
    reads_without_redis_per_minute: Annotated[int, Meta(ge=0, le=100_000)] = 60
    """Reads that a worker answers per player and minute from Postgres while Redis is away; 0 is no limit."""
    ws_sockets_max: Annotated[int, Meta(ge=0, le=1_000_000)] = 20_000
    """WebSockets that a worker keeps open at once."""
    ws_frames_per_second: Annotated[int, Meta(ge=0, le=100_000)] = 200
    """Frames that a WebSocket may send in a second, each with one command or more; 0 is no limit."""
    ws_commands_per_second: Annotated[int, Meta(ge=0, le=100_000)] = 400
    """Commands of a WebSocket that are begun in a second; further ones wait in the socket. 0 is no limit."""
    ws_sockets_per_player: Annotated[int, Meta(ge=0, le=1_000_000)] = 16
    """WebSockets of all kinds that a player may have on one worker; 0 is no limit."""
    hsts_seconds: Annotated[int, Meta(ge=0, le=63_072_000)] = 0
    """How long browsers are to use https only, as `Strict-Transport-Security` tells them; 0 tells them nothing. To be
    set where all clients come through a proxy that speaks TLS."""
    data_dir: Path = Path(".croupier")
    economy: str = ""
    """Economy file that is put in force where there is none yet; empty: the default economy."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    gacha_legacy_cost: bool = False
    day_zone: str = "Asia/Seoul"
    """IANA time zone at whose midnight the daily limits turn."""
    idempotency_ttl_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] = 600
    command_timeout_seconds: Annotated[float, Meta(gt=0, le=60)] = 2.0
    """A command that reaches Redis later than this after it was asked for does nothing."""
    durability_timeout_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """How long a strict command waits for Postgres."""
    durability: Literal["redis", "postgres"] = "redis"
    """When commands are answered: once their script has run, or only when Postgres has their event."""
    crash_db_strict: bool = False
    """Whether crash bets and cash-outs are answered only when Postgres has them."""
    rps_deterministic: Literal["", "win", "draw", "lose"] = ""
    """For tests: how every game of rock, paper, scissors ends for the player."""
    deterministic_seed: Annotated[str, Meta(max_length=256, extra={"secret": True})] = ""
    """For tests of clients: switches the deterministic mode on, in which all seeds follow from this text and requests
    may set the clock. With it there is one worker."""
    in_flight_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Commands of one worker that may wait for Redis at once; beyond, `OVERLOADED`."""
    outbox_max: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1_000_000
    """Events that Postgres may be behind by; beyond, commands that begin something are `OVERLOADED`."""
    memory_max_percent: Annotated[int, Meta(ge=1, le=100)] = 90
    """How much of Redis' `maxmemory`, where that is set, may be in use; beyond, the same."""

    kafka_enabled: bool | None = None
    """Whether events go to Kafka; unset: where there are servers for it."""
    kafka_bootstrap_servers: str = ""
    """Brokers as `host:port`, joined by commas."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_sasl_username: str = ""
    kafka_sasl_password: Secret = ""
    kafka_ssl_cafile: str = ""
    """Certificates of the authorities that brokers' certificates must come from; without it those of the system."""
    kafka_purchases_topic: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,200}$")] = "buy_package"
    """The topic of purchases."""
    kafka_topic_partitions: Annotated[int, Meta(ge=1, le=1_000)] = 4
    """Partitions of a topic that has to be made. A topic that is there keeps its own."""
    clickhouse_enabled: bool | None = None
    """Whether events go to ClickHouse; unset: where there is a server for it."""
    clickhouse_url: str = ""
    """`http://user:password@host:port/database`, or https, then also with `?cafile=FILE` for other CAs."""
    sentry_dsn: Secret = ""
    """Where unforeseen errors are reported to, as `https://key@host/project`; empty: nowhere."""
    sentry_traces_sample_rate: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """The share of requests whose operation, status and duration are reported there too."""

    def __repr__(self) -> str:
        """Without values: some are secret."""
        return "Settings(...)"

    @property
    def kafka_on(self) -> bool:
        """Whether events go to Kafka."""
        return self.kafka_enabled is not False and bool(self.kafka_bootstrap_servers)

    @property
    def clickhouse_on(self) -> bool:
        """Whether events go to ClickHouse."""
        return self.clickhouse_enabled is not False and bool(self.clickhouse_url)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises SettingsError for values that are not allowed, and for a variable `CROUPIER_*` that means nothing."""
        settings, problems = cls.read(environment)
        if problems:
            raise SettingsError(*problems)
        return settings

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> tuple["Settings", list[str]]:
        """The same with a line for each problem in place of an error; a value of a wrong type is the default then."""
        problems = unknown_variables(environment, cls.__struct_encode_fields__)
        values = {}
        for field in msgspec.structs.fields(cls):
            if (text := environment.get(field.encode_name, "")) == "":
                continue
            try:
                values[field.name] = msgspec.convert(text, field.type, strict=False, dec_hook=_path)
            except msgspec.ValidationError as error:
                problems.append(f"{field.encode_name}: {error}")
        settings = cls(**values)
        return settings, problems + settings.problems()

    def problems(self) -> list[str]:
        """A line for each value that does not go with the others, or is refused though it has the right type."""
        found = [
            self._why_weak(),
            self._why_forgotten_too_early(),
            self._why_several_clocks(),
            self._why_no_brokers(),
            self._why_no_login(),
            self._why_no_postgres(),
            self._why_no_clickhouse(),
            self._why_no_zone(),
        ]
        return [problem for problem in found if problem]

    def _why_weak(self) -> str:
        if not self.jwt_secret_key:
            return ""
        # In deterministic mode every draw is known in advance: it is for development, and any text will do.
        why = why_short(self.jwt_secret_key) or (
            "" if self.deterministic_seed else why_guessable(self.jwt_secret_key)
        )
        return why and f"JWT_SECRET_KEY {why}: use 32 random bytes, as `openssl rand -hex 32` prints them"

    def _why_forgotten_too_early(self) -> str:
        if self.idempotency_ttl_seconds >= 2 * self.command_timeout_seconds:
            return ""
        return (
            f"IDEMPOTENCY_TTL_SECONDS is {self.idempotency_ttl_seconds}, and must be at least twice "
            f"CROUPIER_COMMAND_TIMEOUT_SECONDS, which is {self.command_timeout_seconds:g}: a first attempt "
            "that comes late must still meet the key"
        )

    def _why_several_clocks(self) -> str:
        if not self.deterministic_seed or self.workers <= 1:
            return ""
        return "CROUPIER_DETERMINISTIC_SEED needs CROUPIER_WORKERS=1, because requests set the clock of one worker"

    def _why_no_brokers(self) -> str:
        servers = self.kafka_bootstrap_servers
        if not servers or all(_BOOTSTRAP_SERVER.fullmatch(server) for server in servers.split(",")):
            return ""
        # Without the value: whoever writes a password into it has made a mistake already.
        return "KAFKA_BOOTSTRAP_SERVERS must be host:port, several joined by commas"

    def _why_no_login(self) -> str:
        if not self.kafka_security_protocol.startswith("SASL_"):
            return ""
        if self.kafka_sasl_username and self.kafka_sasl_password:
            return ""
        protocol = self.kafka_security_protocol
        return f"KAFKA_SECURITY_PROTOCOL={protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"

    def _why_no_postgres(self) -> str:
        why = self.database_url and (why_unusable(self.database_url) or why_no_tls(self.database_url))
        return why and f"DATABASE_URL {why}"

    def _why_no_clickhouse(self) -> str:
        if not self.clickhouse_url:
            return ""
        try:
            address = Address.from_url(self.clickhouse_url)
        except ValueError as error:
            return f"CLICKHOUSE_URL {error}"
        if address.cafile:
            if address.interface != "https":
                return "CLICKHOUSE_URL has a cafile, and must begin with https:// then"
            try:
                ssl.create_default_context(cafile=address.cafile)
            except OSError as error:
                return f"CLICKHOUSE_URL: {address.cafile}: {error.strerror or 'no certificates in PEM'}"
        return ""

    def _why_no_zone(self) -> str:
        try:
            ZoneInfo(self.day_zone)
        except (KeyError, ValueError, OSError):
            return f"CROUPIER_DAY_ZONE is {self.day_zone!r}, which is no IANA time zone such as Asia/Seoul"
        return ""


def _path(kind: type, value: str) -> object:
    """The one type of settings that msgspec does not know."""
    return kind(value)
