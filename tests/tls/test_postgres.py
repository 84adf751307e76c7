"""A Postgres that speaks TLS itself: what is said of it, and which connections are warned of."""

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
from croupier_cli.embedded import Postgres
from tests.cli.support import DEADLINE_S, croupier, environment
from tests.tls.relays import Authority

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

    def __init__(self, address: str, authority: Authority, socket_url: str) -> None:
        self.address, self._authority, self._socket_url = address, authority, socket_url

    def url(
        self, mode: str = "verify-full", ca: str | None = None, user: str = "croupier", **files: str
    ) -> str:
        options = {"sslmode": mode, "sslrootcert": ca or str(self._authority.file), **files}
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
def server(tmp_path_factory: pytest.TempPathFactory, postgres_template: Path) -> Iterator[Server]:
    directory, address = tmp_path_factory.mktemp("postgres-tls"), free_address()
    authority = Authority(directory)
    authority.write_server(directory / "server.pem", address)
    (directory / "hba.conf").write_text(HBA)
    settings = {
        "listen_addresses": f"{address},{elsewhere(address)}",
        "ssl_cert_file": str(directory / "server.pem"),
        "ssl_key_file": str(directory / "server.pem"),
        "ssl_ca_file": str(authority.file),
        "hba_file": str(directory / "hba.conf"),
    }
    with Postgres.start(directory, template=postgres_template, settings=settings) as running:
        asyncio.run(_make_role(running.url))
        server = Server(address, authority, running.url)
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


async def test_given_a_postgres_that_is_not_to_be_trusted_then_each_reason_is_a_line(
    server: Server, redis_url: str, tmp_path: Path
) -> None:
    await refused(
        redis_url, server.url(ca=str(Authority(tmp_path).file)), "certificate verify failed", "sslrootcert"
    )
    demanded = server.url(user="demanded")
    await refused(redis_url, demanded, "requires a valid client certificate")
    await refused(redis_url, server.url(mode="disable"), "no encryption")
    other = server.url().replace(server.address, elsewhere(server.address))
    await refused(redis_url, other, "certificate verify failed: IP address mismatch")
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
