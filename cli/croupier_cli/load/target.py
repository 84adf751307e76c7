"""Where the load goes, and as whom."""

import http.client
import json
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from croupier_cli.errors import CannotRun
from croupier_cli.ready import is_local
from croupier_client.operations import WALLET
from croupier_http.auth import make_token
from croupier_schemas.economy import Tier

_PROBE_TIMEOUT_S: Final = 10.0


class Target(NamedTuple):
    """A server. `prefix` stands before all paths; it is empty where the server is at the root."""

    host: str
    port: int
    is_tls: bool
    prefix: str

    @property
    def authority(self) -> str:
        """Host and port as a URL and the header `Host` have them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its URL again."""
        return f"{'https' if self.is_tls else 'http'}://{self.authority}{self.prefix}"

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What to connect with."""
        return ssl.create_default_context() if self.is_tls else None


def parse_target(url: str, allow_remote: bool) -> Target:
    """Raises CannotRun for what is no URL, and for another machine where that is not allowed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CannotRun(f"--url {url}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise CannotRun(f"--url {url}: this is no http://host:port or https://host:port")
    if not allow_remote and not is_local(parts.hostname):
        raise CannotRun(
            f"--url: {parts.hostname} is another machine; load is sent there with --allow-remote only"
        )
    is_tls = parts.scheme == "https"
    return Target(parts.hostname, port or (443 if is_tls else 80), is_tls, parts.path.rstrip("/"))


def signed_tokens(secret: str, tier: Tier, uids: Iterable[int], ttl_s: int) -> list[str]:
    """One access token per player. Raises SettingsError for a short secret."""
    return [make_token(secret, uid, tier, "user", ttl_s) for uid in uids]


def read_tokens(file: Path) -> list[str]:
    """One access token a line, as `croupier token` prints them. Raises CannotRun."""
    try:
        tokens = file.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"--tokens-file {file} cannot be read: {error}") from error
    if not tokens:
        raise CannotRun(f"--tokens-file {file} has no token in it")
    return tokens


def probe(target: Target, token: str) -> None:
    """Ask for one balance. Raises CannotRun where that is not answered with 200: a load would be errors only."""
    try:
        status, code = _ask(target, token)
    except (OSError, http.client.HTTPException) as error:
        raise CannotRun(
            f"nothing answers at {target.url} ({error or type(error).__name__}): is `croupier up` running?"
        ) from error
    if status == http.HTTPStatus.UNAUTHORIZED:
        raise CannotRun(
            f"{target.url} refuses the access tokens: JWT_SECRET_KEY or CROUPIER_DATA_DIR must be those of the "
            "server, or --tokens-file must hold tokens of it that have not expired"
        )
    if status != http.HTTPStatus.OK:
        raise CannotRun(f"{target.url}{WALLET.path} answers {status} {code}")


def _ask(target: Target, token: str) -> tuple[int, str]:
    """Status and error code, which is empty where there is none."""
    if (tls := target.tls) is not None:
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            target.host, target.port, timeout=_PROBE_TIMEOUT_S, context=tls
        )
    else:
        connection = http.client.HTTPConnection(target.host, target.port, timeout=_PROBE_TIMEOUT_S)
    try:
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("GET", target.prefix + WALLET.path, headers=headers)
        reply = connection.getresponse()
        body = reply.read()
    finally:
        connection.close()
    try:
        return reply.status, json.loads(body).get("code", "")
    except (ValueError, AttributeError):
        return reply.status, ""
