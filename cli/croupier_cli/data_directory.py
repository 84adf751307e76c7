"""The data directory of `croupier up`: what lies there beside the data of the servers.

lock           held while `croupier up`, or a part of it, runs
secrets.env    made at the first start, mode 0600, and needed from then on: server seeds come from it
servers.json   addresses of the embedded servers while they run, for the other commands
valkey/  postgres/  clickhouse/
kafka/         its log only: it has its data in memory
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from croupier.fairness.seeds import MasterKeys
from croupier.settings import Settings, SettingsError
from croupier_cli.errors import CannotRun

VALKEY: Final = "valkey"
POSTGRES: Final = "postgres"
KAFKA: Final = "kafka"
CLICKHOUSE: Final = "clickhouse"

_SECRETS_FILE: Final = "secrets.env"
_SERVERS_FILE: Final = "servers.json"
_JWT_SECRET_BYTES: Final = 32


class Servers(msgspec.Struct, omit_defaults=True):
    """URLs of the embedded servers that run; empty where another server takes the place of one."""

    redis_url: str = ""
    database_url: str = ""
    kafka_bootstrap_servers: str = ""
    clickhouse_url: str = ""


def make_data_directory(directory: Path) -> None:
    """Make the directory where it is missing. Raises CannotRun."""
    try:
        directory.mkdir(parents=True)
        # As root, Postgres may run as another user, who must get through to its own directory. All else in here is
        # closed to others by itself.
        directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except FileExistsError:
        return
    except OSError as error:
        raise CannotRun(
            f"the data directory {directory} cannot be made: {error.strerror} (CROUPIER_DATA_DIR)"
        ) from error


def with_secrets(settings: Settings) -> Settings:
    """The settings with the data directory's secrets where the environment gives none; made when first needed.

    Raises CannotRun, and SettingsError where somebody has put a weak secret into the file.
    """
    if settings.jwt_secret_key and settings.master_keys:
        return settings
    directory = settings.data_dir
    if not (directory / _SECRETS_FILE).exists():
        _make_secrets(directory)
    kept = read_secrets(directory)
    if missing := [name for name in ("JWT_SECRET_KEY", "CROUPIER_MASTER_KEYS") if not kept.get(name)]:
        raise CannotRun(f"{directory / _SECRETS_FILE} has no {missing[0]}: restore the file")
    complete = msgspec.structs.replace(
        settings,
        jwt_secret_key=settings.jwt_secret_key or kept["JWT_SECRET_KEY"],
        master_keys=settings.master_keys or kept["CROUPIER_MASTER_KEYS"],
    )
    if problems := complete.problems():
        raise SettingsError(*problems)
    return complete


def read_secrets(directory: Path) -> dict[str, str]:
    """The secrets kept in the directory by the names of their environment variables; none where there is no file."""
    file = directory / _SECRETS_FILE
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"{file} cannot be read: {error}") from error
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _make_secrets(directory: Path) -> None:
    """Raises CannotRun where players' seeds may depend on keys that are gone."""
    file = directory / _SECRETS_FILE
    if any((directory / server).exists() for server in (VALKEY, POSTGRES)):
        raise CannotRun(
            f"{file} is missing, and the seeds of the players in {directory} come from its master keys: "
            "restore it, or set JWT_SECRET_KEY and CROUPIER_MASTER_KEYS"
        )
    text = f"JWT_SECRET_KEY={secrets.token_hex(_JWT_SECRET_BYTES)}\nCROUPIER_MASTER_KEYS={MasterKeys.generate()}\n"
    _write_private(file, text)


@contextlib.contextmanager
def announced(directory: Path, servers: Servers) -> Iterator[None]:
    """Let other commands find the servers while the block runs."""
    file = directory / _SERVERS_FILE
    _write_private(file, msgspec.json.encode(servers).decode())
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find_servers(settings: Settings) -> Settings:
    """The settings with the servers of a running `croupier up` where the environment names none."""
    file = settings.data_dir / _SERVERS_FILE
    try:
        servers = msgspec.json.decode(file.read_bytes(), type=Servers)
    except (OSError, msgspec.DecodeError):
        servers = Servers()
    return msgspec.structs.replace(
        settings,
        redis_url=settings.redis_url or servers.redis_url,
        database_url=settings.database_url or servers.database_url,
        kafka_bootstrap_servers=settings.kafka_bootstrap_servers or servers.kafka_bootstrap_servers,
        clickhouse_url=settings.clickhouse_url or servers.clickhouse_url,
    )


def _write_private(file: Path, text: str) -> None:
    """Write the file for this user only, whole or not at all. Raises CannotRun."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        unfinished.rename(file)
    except OSError as error:
        raise CannotRun(f"{file} cannot be written: {error.strerror}") from error
