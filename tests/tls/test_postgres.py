"""Postgres over TLS, as DATABASE_URL asks for it, and Redis beside it: servers, daemon and commands."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from croupier.plain import plain_connections
from croupier.settings import Settings
from croupier_cli.embedded import Postgres, Valkey
from tests.cli.support import DEADLINE_S, Environment, ask, croupier, environment, free_port, started
from tests.embedded.support import wait_until
from tests.tls.conftest import Certificates
from tests.transport.proxy import Proxy

SECRET = "5f1c9e27a84b03d6e2b7f0c4918a6d35"
HBA = """\
local all all trust
hostssl all demanded 127.0.0.0/8 trust clientcert=verify-ca
hostssl all all 127.0.0.0/8 trust
"""


def free_address() -> str:
    """A loopback address on whose port 5432 nobody listens: the server's socket is named after that port."""
    for last in range(1, 255):
        address = f"127.77.{os.getpid() % 251 + 1}.{last}"
        with socket.socket() as probe:
            try:
                probe.bind((address, 5432))
            except OSError:
                continue
            return address
    raise AssertionError("no loopback address has its port 5432 free")


def elsewhere(address: str) -> str:
    """Another address of the server, which its certificate is not for."""
    return address.replace("127.77.", "127.78.")


class Server:
    """A Postgres that takes connections over TLS only, and its URLs."""

    def __init__(self, address: str, certificates: Certificates, socket_url: str) -> None:
        self.address, self._certificates, self._socket_url = address, certificates, socket_url

    def url(
        self, mode: str = "verify-full", ca: str | None = None, user: str = "croupier", **files: str
    ) -> str:
        options = {"sslmode": mode, "sslrootcert": ca or self._certificates.ca, **files}
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return f"postgresql://{user}@{self.address}/croupier?{query}"

    async def switch(self, tls: str) -> None:
        """Take connections over TLS, `on`, or none, `off`."""
        connection = await asyncpg.connect(self._socket_url)
        await connection.execute(f"ALTER SYSTEM SET ssl = {tls}")
        await connection.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(DEADLINE_S):
            while await connection.fetchval("SHOW ssl") != tls:
                await asyncio.sleep(0.01)
        await connection.close()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, postgres_template: Path, certificates: Certificates
) -> Iterator[Server]:
    directory, address = tmp_path_factory.mktemp("postgres-tls"), free_address()
    issued = certificates.authority.issue_cert(address)
    issued.cert_chain_pems[0].write_to_path(directory / "server.pem")
    issued.private_key_pem.write_to_path(directory / "server.key")
    certificates.authority.cert_pem.write_to_path(directory / "ca.pem")
    (directory / "server.key").chmod(0o600)
    (directory / "hba.conf").write_text(HBA)
    settings = {
        "listen_addresses": f"{address},{elsewhere(address)}",
        "ssl_cert_file": str(directory / "server.pem"),
        "ssl_key_file": str(directory / "server.key"),
        "ssl_ca_file": str(directory / "ca.pem"),
        "hba_file": str(directory / "hba.conf"),
    }
    with Postgres.start(directory, template=postgres_template, settings=settings) as running:
        asyncio.run(_make_role(running.url))
        server = Server(address, certificates, running.url)
        asyncio.run(server.switch("on"))
        yield server


async def _make_role(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE ROLE demanded SUPERUSER LOGIN")
    await connection.close()


async def refused(redis_url: str, url: str, *words: str) -> None:
    env = environment(REDIS_URL=redis_url, DATABASE_URL=url)
    outcome = await asyncio.to_thread(croupier, "migrate", env=env)
    outcome.require_refusal(*words)


async def test_given_both_servers_over_tls_then_server_daemon_and_commands_work(
    server: Server, valkey: Valkey, redis_url: str, certificates: Certificates
) -> None:
    client = certificates.client
    async with Proxy(str(valkey.socket_path), certificates.server(demands=True)) as proxy:
        port = free_port()
        env = environment(
            REDIS_URL=proxy.url.replace("redis://", "rediss://"),
            REDIS_SSL_CAFILE=certificates.ca,
            REDIS_SSL_CERTFILE=client["redis_ssl_certfile"],
            REDIS_SSL_KEYFILE=client["redis_ssl_keyfile"],
            DATABASE_URL=server.url(),
            JWT_SECRET_KEY=SECRET,
            CROUPIER_MASTER_KEYS="1:" + "0123456789abcdef" * 4,
            CROUPIER_HTTP_PORT=str(port),
            CROUPIER_WORKERS="1",
            CROUPIER_DURABILITY="postgres",  # which needs the daemon's notices, and its rows in Postgres
        )
        await asyncio.to_thread(_play, env, port)
        heard = {tuple(request) for request in proxy.all_requests()}
        # The worker's notices, too, came over TLS; without them strict commands would only be slower.
        assert (b"SUBSCRIBE", b"{0}:synced") in heard


def _play(env: Environment, port: int) -> None:
    def runs(*words: str) -> str:
        outcome = croupier(*words, env=env)
        assert outcome.exit_code == 0, outcome
        return outcome.stdout

    runs("migrate")
    token = runs("token", "--user", "42").strip()
    with started("sync", env), started("serve", env):
        wait_until(lambda: _is_ready(port), DEADLINE_S)
        pulled = ask(f"http://127.0.0.1:{port}/api/games/gacha/pull", token, {"count": 1})
        assert len(pulled["items"]) == 1
        assert "42" in runs("player", "show", "42")
    runs("verify")


def _is_ready(port: int) -> bool:
    try:
        ask(f"http://127.0.0.1:{port}/ready", "")
    except OSError:
        return False
    return True


async def test_given_a_postgres_that_is_not_to_be_trusted_then_each_reason_is_a_line(
    server: Server, redis_url: str, certificates: Certificates, strangers: Certificates
) -> None:
    await refused(redis_url, server.url(ca=strangers.ca), "its certificate is not trusted", "sslrootcert")
    demanded = server.url(user="demanded")
    await refused(redis_url, demanded, "requires a valid client certificate")
    await refused(redis_url, server.url(mode="disable"), "no encryption")
    other = server.url().replace(server.address, elsewhere(server.address))
    await refused(redis_url, other, "its certificate is not for the host in DATABASE_URL")
    await server.switch("off")
    try:
        await refused(redis_url, server.url(), "Postgres cannot be reached", "SSL")
    finally:
        await server.switch("on")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("missing.pem", "cannot be read: No such file"),
        ("", "cannot be read: Is a directory"),
        ("t", "no certificates"),
    ],
)
def test_given_a_file_that_cannot_be_used_then_refused_before_any_connection(
    server: Server, tmp_path: Path, file: str, words: str
) -> None:
    (tmp_path / "t").write_text("text")
    (line,) = Settings(database_url=server.url(ca=str(tmp_path / file))).problems()
    assert line.startswith("DATABASE_URL sslrootcert is ") and words in line


@pytest.mark.parametrize(
    ("urls", "warned"),
    [
        (("redis://10.0.0.1", "postgresql://u:hush@10.0.0.2:5432/d"), ["10.0.0.1", "10.0.0.2"]),
        (("redis://:hush@r.example", "postgresql://p.example/d?sslmode=require"), ["r.example", "p.example"]),
        (("rediss://10.0.0.1", "postgresql://10.0.0.2/d?sslmode=verify-full"), []),
        (("redis://127.0.0.1", "postgresql://[::1]:5432/d"), []),
        (("redis://valkey", "postgresql://postgres:5432/d"), []),
        (("unix:///run/redis.sock", "postgresql://u@/d?host=%2Frun%2Fpostgres"), []),
        (("redis://[2001:db8::1]", "postgresql://localhost,10.0.0.2/d"), ["2001:db8::1", "10.0.0.2"]),
        (("", ""), []),
    ],
)  # fmt: skip
def test_given_servers_then_those_reached_over_a_network_without_tls_are_warned_of(
    urls: tuple[str, str], warned: list[str]
) -> None:
    lines = plain_connections(Settings(redis_url=urls[0], database_url=urls[1]))
    assert len(lines) == len(warned)
    for line, host in zip(lines, warned, strict=True):
        assert host in line and "hush" not in line
