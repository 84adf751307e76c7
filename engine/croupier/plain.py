"""Connections to Redis and Postgres that others on the network can read, or answer in the server's place."""

import ipaddress
from typing import Final
from urllib.parse import parse_qs, urlsplit

import structlog

from croupier.settings import Settings
from croupier.transport import Address

log = structlog.get_logger(__name__)

_POSTGRES_VERIFIED: Final = ("verify-ca", "verify-full")


def warn_of_plain_connections(settings: Settings) -> None:
    """Log a warning for each server that is reached over a network without TLS; to be called once, at the start.

    The deterministic mode is for development, and has none.
    """
    if settings.deterministic_seed:
        return
    for warning in plain_connections(settings):
        log.warning(warning)


def plain_connections(settings: Settings) -> list[str]:
    """A line for each. The URLs must be readable."""
    found = []
    if settings.redis_url:
        address = Address.from_url(settings.redis_url)
        if not address.tls and _is_remote(address.host):
            found.append(f"the connection to Redis at {address} is not encrypted: use rediss:// in REDIS_URL")
    hosts, mode = _postgres(settings.database_url)
    remote = [host for host in hosts if _is_remote(host)]
    if remote and mode not in _POSTGRES_VERIFIED:
        found.append(
            f"the connection to Postgres at {remote[0]} does not verify the server, and may not be encrypted: "
            "use sslmode=verify-full in DATABASE_URL"
        )
    return found


def _postgres(url: str) -> tuple[list[str], str]:
    """The hosts of a Postgres URL, and its mode of TLS."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    named = options.get("host") or [parts.netloc.rpartition("@")[2]]
    return [_without_port(host) for host in ",".join(named).split(",")], options.get("sslmode", [""])[-1]


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_remote(host: str) -> bool:
    """Whether the host is on a network that others may share.

    A socket's path is not, nor a loopback address. Neither is a name without a dot: it is that of a container on the
    same private network, as in docker-compose.yml.
    """
    if not host or host.startswith("/"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." in host
