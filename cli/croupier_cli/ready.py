"""What `croupier up` prints once everything runs: the addresses, and a pull to paste."""

import ipaddress
import shlex
from typing import Final

import msgspec

from croupier.gacha.pull import PULL
from croupier.settings import Settings
from croupier_cli.redaction import without_password
from croupier_http.auth import make_token

PLAYER: Final = 42
ADMIN: Final = 1
TOKEN_TTL_S: Final = 86_400

_PULL_ONE: Final = '{"count": 1, "banner": "standard"}'


class Ready(msgspec.Struct, frozen=True):
    """Where everything is, and a development token. The URLs of servers are without passwords; null where one is off.

    `play` and `console` are links that sign a player and an administrator in; null where the server is reached by
    other machines, where nobody is to be an administrator by a link that was printed. The token is in the fragment of
    the address, which browsers send to no server, so that no log has it.
    """

    url: str
    play: str | None
    console: str | None
    docs: str
    openapi: str
    ready: str
    metrics: str
    redis_url: str
    database_url: str
    kafka: str | None
    clickhouse_url: str | None
    data_dir: str
    player: int
    token: str
    token_expires_in_s: int
    curl: str


def ready(settings: Settings) -> Ready:
    """For a server that runs with these settings, with a new development token."""
    url = base_url(settings)
    token = make_token(settings.jwt_secret_key, PLAYER, "STANDARD", "user", TOKEN_TTL_S)
    admin_token = make_token(settings.jwt_secret_key, ADMIN, "STANDARD", "admin", TOKEN_TTL_S)
    local = is_local(settings.http_host)
    return Ready(
        url=url,
        play=f"{url}/play#token={token}" if local else None,
        console=f"{url}/console#token={admin_token}" if local else None,
        docs=f"{url}/docs",
        openapi=f"{url}/openapi.json",
        ready=f"{url}/ready",
        metrics=f"{url}/metrics",
        redis_url=without_password(settings.redis_url),
        database_url=without_password(settings.database_url),
        kafka=settings.kafka_bootstrap_servers if settings.kafka_on else None,
        clickhouse_url=without_password(settings.clickhouse_url) if settings.clickhouse_on else None,
        data_dir=str(settings.data_dir.absolute()),
        player=PLAYER,
        token=token,
        token_expires_in_s=TOKEN_TTL_S,
        curl=_curl(url, token),
    )


def text(ready: Ready) -> str:
    """The same for people."""
    return f"""\
Croupier is ready. Ctrl-C stops it.
{_links(ready)}
  API         {ready.url}
  its docs    {ready.docs}
  metrics     {ready.metrics}
  Redis       {ready.redis_url}
  Postgres    {ready.database_url}
  Kafka       {ready.kafka or "off"}
  ClickHouse  {ready.clickhouse_url or "off"}
  data        {ready.data_dir}

A pull by player {ready.player}, with a development token that is valid for {ready.token_expires_in_s // 3600} hours:

{ready.curl}
"""


def is_local(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def base_url(settings: Settings) -> str:
    """Where a client on this machine reaches the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.http_host, settings.http_host)  # noqa: S104
    return f"http://[{host}]:{settings.http_port}" if ":" in host else f"http://{host}:{settings.http_port}"


def _links(ready: Ready) -> str:
    if ready.play is None:
        return ""
    return f"""
Play, as player {ready.player}:

  {ready.play}

Watch, as an administrator:

  {ready.console}
"""


def _curl(url: str, token: str) -> str:
    return shlex.join(
        [
            *("curl", "-sS", f"{url}{PULL.path}"),
            *("-H", f"Authorization: Bearer {token}"),
            *("-H", "Content-Type: application/json"),
            *("-d", _PULL_ONE),
        ]
    )
