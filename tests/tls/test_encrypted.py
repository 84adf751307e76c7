"""Redis and Postgres over TLS: a whole casino, and what is said where the two sides do not trust each other."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from croupier.transport import Address, Transport, Unavailable
from croupier_sync.migrations import migrate
from tests.cli.support import command, environment
from tests.http.served import serving
from tests.http.support import PULL, settings_for, token, until_ready
from tests.sync.support import Casino
from tests.tls.relays import HOST, Authority, relaying


class Encrypted(NamedTuple):
    """The URLs of a Redis and a Postgres that are reached by TLS only, with all files that they need."""

    redis_url: str
    database_url: str


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def encrypted(
    redis_url: str, database_url: str, authority: Authority, *, asks_for_certificates: bool = False
) -> AsyncIterator[Encrypted]:
    """Relays before both servers. Each client has a certificate, whether or not it is asked for one."""
    redis = Address.from_url(redis_url)
    directory = parse_qs(urlsplit(database_url).query)["host"][0]
    tls = authority.server(asks_for_certificates=asks_for_certificates)
    async with (
        relaying(redis.socket_path, tls) as for_redis,
        relaying(f"{directory}/.s.PGSQL.5432", tls, postgres=True) as for_postgres,
    ):
        login = f"{redis.username}:{redis.password}"
        trust, own = authority.file, authority.client
        yield Encrypted(
            f"rediss://{login}@{HOST}:{for_redis.port}/0?ssl_ca_certs={trust}&ssl_certfile={own}",
            f"postgresql://croupier@{HOST}:{for_postgres.port}{urlsplit(database_url).path}"
            f"?sslmode=verify-full&sslrootcert={trust}&sslcert={own}&sslkey={own}",
        )


async def says(name: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Run a command to its end: its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *command(name), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("asks_for_certificates", [False, True])
async def test_given_servers_that_speak_tls_only_when_played_then_every_connection_is_encrypted(
    redis_url: str, database_url: str, authority: Authority, asks_for_certificates: bool
) -> None:
    async with encrypted(
        redis_url, database_url, authority, asks_for_certificates=asks_for_certificates
    ) as urls:
        connection = await asyncpg.connect(urls.database_url)
        await migrate(connection)
        transport = Transport(urls.redis_url)
        await transport.open()
        casino = Casino.of(urls.redis_url, urls.database_url, transport, connection)
        settings = settings_for(urls.redis_url, database_url=urls.database_url)
        # Strict: a worker hears from the daemon over a subscription.
        async with casino.daemon(), serving(settings, CROUPIER_DURABILITY="postgres") as (_, client):
            await until_ready(client)
            reply = await client.post(PULL, {"count": 1}, bearer=token(7), key="one")
            assert reply.status == 200, reply
        env = environment(REDIS_URL=urls.redis_url, DATABASE_URL=urls.database_url)
        exit_code, said = await says("verify", env)
        assert exit_code == 0, said
        await transport.close()
        await connection.close()


async def test_given_a_certificate_that_proves_nothing_when_connected_then_refused(
    redis_url: str, database_url: str, authority: Authority
) -> None:
    async with encrypted(redis_url, database_url, authority) as urls:
        of_the_system = urls.redis_url.partition("?")[0]
        with pytest.raises(Unavailable, match="certificate verify failed: unable to get local issuer"):
            await Transport(of_the_system).open()
        with pytest.raises(Unavailable, match="certificate verify failed: IP address mismatch"):
            await Transport(urls.redis_url.replace(f"@{HOST}:", "@127.0.0.1:")).open()


async def test_given_a_client_without_a_certificate_when_one_is_asked_for_then_refused(
    redis_url: str, database_url: str, authority: Authority
) -> None:
    async with encrypted(redis_url, database_url, authority, asks_for_certificates=True) as urls:
        with pytest.raises(Unavailable):
            await Transport(urls.redis_url.partition("&")[0]).open()


async def test_given_one_side_that_does_not_speak_tls_when_connected_then_refused(
    redis_url: str, database_url: str, authority: Authority
) -> None:
    async with encrypted(redis_url, database_url, authority) as urls:
        plain = urls.redis_url.partition("?")[0].replace("rediss://", "redis://")
        with pytest.raises(Unavailable):
            await Transport(plain).open()


async def test_given_servers_that_cannot_prove_who_they_are_when_a_command_is_run_then_one_line_says_so(
    redis_url: str, database_url: str, authority: Authority, tmp_path: Path
) -> None:
    os.mkdir(tmp_path / "other")
    other = Authority(tmp_path / "other")
    async with encrypted(redis_url, database_url, authority) as urls:
        trusted, distrusted = str(authority.file), str(other.file)
        for env in (
            environment(
                REDIS_URL=urls.redis_url.replace(trusted, distrusted), DATABASE_URL=urls.database_url
            ),
            environment(
                REDIS_URL=urls.redis_url, DATABASE_URL=urls.database_url.replace(trusted, distrusted)
            ),
        ):
            exit_code, said = await says("verify", env)
            assert exit_code == 2, said
            assert said.startswith("croupier: ") and said.count("\n") == 1, said
            assert "certificate verify failed" in said
