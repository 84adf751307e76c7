"""Connections to Redis over TLS: who is trusted, who is not, and what is said then."""

import asyncio
import ssl
from pathlib import Path

import pytest
from msgspec.structs import replace

from croupier.settings import Settings, SettingsError
from croupier.transport import Subscription, Unavailable
from croupier_cli.embedded import Valkey
from croupier_http.preflight import connect_later
from tests.tls.conftest import Certificates, refusing, relay

pytestmark = pytest.mark.usefixtures("redis_url")
DEADLINE_S = 20.0


async def refusal(url: str, **files: str) -> str:
    """The line that a connection which cannot be had is refused with."""
    settings = replace(Settings(redis_url=url), **files)
    assert settings.problems() == []
    transport = connect_later(settings)
    try:
        with pytest.raises(Unavailable) as refused:
            await transport.open()
    finally:
        await transport.close()
    line = str(refused.value)
    assert "\n" not in line and line.startswith("Redis at 127.0.0.1:") and "_ssl.c" not in line
    return line


async def test_given_a_trusted_certificate_then_commands_and_subscriptions_go_over_tls(
    valkey: Valkey, certificates: Certificates
) -> None:
    async with relay(valkey, certificates.server(demands=True)) as url:
        settings = replace(Settings(redis_url=url), redis_ssl_cafile=certificates.ca, **certificates.client)
        transport = connect_later(settings)
        await transport.open()
        assert await transport.call("PING") == b"PONG"
        beside = transport.beside()
        await beside.open()
        await beside.close()
        subscribed = asyncio.Event()
        subscription = Subscription(url, ["{0}:synced"], settings.redis_tls())
        listening = asyncio.create_task(
            subscription.listen(lambda *_: None, lambda _channel: subscribed.set())
        )
        await asyncio.wait_for(subscribed.wait(), DEADLINE_S)
        listening.cancel()
        await asyncio.wait([listening])
        await transport.close()


async def test_given_another_authority_or_none_then_the_certificate_is_not_trusted(
    valkey: Valkey, certificates: Certificates, strangers: Certificates
) -> None:
    async with relay(valkey, certificates.server()) as url:
        nothing: dict[str, str] = {}
        for files in ({"redis_ssl_cafile": strangers.ca}, nothing):
            line = await refusal(url, **files)
            assert "its certificate is not trusted: " in line and "REDIS_SSL_CAFILE" in line


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.2"])
async def test_given_a_certificate_for_another_host_then_refused(
    valkey: Valkey, certificates: Certificates, host: str
) -> None:
    async with relay(valkey, certificates.server(host)) as url:
        line = await refusal(url, redis_ssl_cafile=certificates.ca)
        assert line.endswith("its certificate is not for the host 127.0.0.1")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_given_a_server_that_demands_a_client_certificate_then_said_so(
    valkey: Valkey, certificates: Certificates, strangers: Certificates, version: ssl.TLSVersion
) -> None:
    server = certificates.server(demands=True)
    server.minimum_version = server.maximum_version = version
    with refusing(server) as url:
        line = await refusal(url, redis_ssl_cafile=certificates.ca)
        assert "demand a client certificate" in line.replace("demands", "demand")
        assert "REDIS_SSL_CERTFILE, REDIS_SSL_KEYFILE" in line
    with refusing(server) as url:
        line = await refusal(url, redis_ssl_cafile=certificates.ca, **strangers.client)
        assert "it does not accept the client certificate" in line
    async with relay(valkey, server) as url:  # which gives no reason
        assert "REDIS_SSL_CERTFILE" in await refusal(url, redis_ssl_cafile=certificates.ca)


async def test_given_a_server_without_tls_when_tls_is_asked_for_then_said_so(
    valkey: Valkey, certificates: Certificates
) -> None:
    async with relay(valkey, None) as url:
        line = await refusal(url.replace("redis://", "rediss://"), redis_ssl_cafile=certificates.ca)
        assert "it must speak TLS on this port" in line


async def test_given_a_server_with_tls_when_a_plain_connection_is_asked_for_then_said_so(
    valkey: Valkey, certificates: Certificates
) -> None:
    async with relay(valkey, certificates.server()) as url:
        line = await refusal(url.replace("rediss://", "redis://"))
        assert "REDIS_URL must begin with rediss://" in line


def test_given_tls_then_nothing_older_than_1_2_and_the_host_is_verified(certificates: Certificates) -> None:
    for files in ({}, {"redis_ssl_cafile": certificates.ca, **certificates.client}):
        context = replace(Settings(redis_url="rediss://h"), **files).redis_tls()
        assert context is not None
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED
    assert Settings(redis_url="redis://h").redis_tls() is None


@pytest.mark.parametrize("url", ["redis://127.0.0.1", "unix:///run/redis.sock", ""])
@pytest.mark.parametrize("name", ["CAFILE", "CERTFILE", "KEYFILE"])
def test_given_files_for_tls_and_a_url_without_it_then_refused(
    certificates: Certificates, url: str, name: str
) -> None:
    variable = f"REDIS_SSL_{name}"
    with pytest.raises(SettingsError, match=f"{variable} needs a REDIS_URL that begins with rediss://"):
        Settings.from_environment({"REDIS_URL": url, variable: certificates.ca})


def test_given_files_that_cannot_be_used_then_each_is_refused_in_a_line(
    certificates: Certificates, strangers: Certificates, tmp_path: Path
) -> None:
    missing, text = str(tmp_path / "missing.pem"), tmp_path / "text.pem"
    text.write_text("no certificate")
    ours, theirs = certificates.client, strangers.client
    for files, words in (
        ({"redis_ssl_cafile": missing}, ("REDIS_SSL_", missing, "No such file")),
        ({"redis_ssl_cafile": str(tmp_path)}, (str(tmp_path), "cannot be read: Is a directory")),
        ({"redis_ssl_cafile": str(text)}, (str(text), "holds no certificates in PEM")),
        ({"redis_ssl_certfile": ours["redis_ssl_certfile"]}, ("REDIS_SSL_KEYFILE", "go together")),
        ({"redis_ssl_keyfile": ours["redis_ssl_keyfile"]}, ("REDIS_SSL_CERTFILE", "go together")),
        (ours | {"redis_ssl_keyfile": theirs["redis_ssl_keyfile"]}, ("no certificate and its key",)),
        (ours | {"redis_ssl_keyfile": missing}, (missing, "cannot be read")),
    ):
        (line,) = replace(Settings(redis_url="rediss://h"), **files).problems()
        assert "\n" not in line
        assert all(word in line for word in words), line
