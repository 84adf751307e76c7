"""What is said where a Redis cannot be reached over TLS: one line each, which names what to change."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from croupier.transport import Address, Transport, Unavailable
from tests.redis_server import login
from tests.tls.relays import HOST, Authority, relaying


async def refusal(url: str) -> str:
    """The line that a connection which cannot be had is refused with."""
    transport = Transport(url)
    with pytest.raises(Unavailable) as refused:
        await transport.open()
    await transport.close()
    line = str(refused.value)
    assert line.startswith("Redis at ") and "\n" not in line and "_ssl.c" not in line
    return line


@contextmanager
def refusing(tls: ssl.SSLContext) -> Iterator[int]:
    """The port of a server that, as OpenSSL does, says why it does not accept a client's certificate.

    asyncio's servers end such connections before their alert is sent.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False) as speaking:
                with pytest.raises(ssl.SSLError):
                    speaking.do_handshake()
                # With something unread the system would end the connection at once, and drop the alert.
                with suppress(OSError), socket.socket(fileno=speaking.detach()) as rest:
                    rest.shutdown(socket.SHUT_WR)
                    while rest.recv(65_536):
                        pass

        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1]
        server.join()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    (tmp_path / "stranger").mkdir()
    return Authority(tmp_path / "stranger")


async def test_given_a_server_that_has_not_proved_who_it_is_then_the_line_names_the_reason(
    redis_url: str, authority: Authority, stranger: Authority
) -> None:
    async with relaying(Address.from_url(redis_url).socket_path, authority.server()) as relay:
        url = f"rediss://{HOST}:{relay.port}?ssl_ca_certs="
        line = await refusal(f"{url}{stranger.file}")
        assert "certificate verify failed: " in line and line.endswith("(ssl_ca_certs in REDIS_URL)")
        line = await refusal(f"{url}{authority.file}".replace(HOST, "127.0.0.1", 1))
        assert line.endswith("IP address mismatch, certificate is not valid for '127.0.0.1'")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_given_a_server_that_demands_a_client_certificate_then_the_line_says_so(
    redis_url: str, authority: Authority, stranger: Authority, version: ssl.TLSVersion
) -> None:
    server = authority.server(asks_for_certificates=True)
    server.minimum_version = server.maximum_version = version
    with refusing(server) as port:
        line = await refusal(f"rediss://{HOST}:{port}?ssl_ca_certs={authority.file}")
        assert "demand" in line and "a client certificate (ssl_certfile in REDIS_URL)" in line
    with refusing(server) as port:
        line = await refusal(
            f"rediss://{HOST}:{port}?ssl_ca_certs={authority.file}&ssl_certfile={stranger.client}"
        )
        assert "it does not accept a client certificate" in line
    async with relaying(Address.from_url(redis_url).socket_path, server) as relay:  # which gives no reason
        line = await refusal(f"rediss://{HOST}:{relay.port}?ssl_ca_certs={authority.file}")
        assert "ssl_certfile in REDIS_URL" in line


async def test_given_a_server_with_tls_when_a_plain_connection_is_asked_for_then_the_line_says_so(
    redis_url: str, authority: Authority
) -> None:
    async with relaying(Address.from_url(redis_url).socket_path, authority.server()) as relay:
        assert "REDIS_URL must begin with rediss://" in await refusal(login(relay.port))


async def test_given_a_server_without_tls_when_tls_is_asked_for_then_the_line_says_so(
    authority: Authority,
) -> None:
    # A Redis waits for the end of what it takes for a line, as this one does, or answers that it is none.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rediss://{HOST}:{silent.getsockname()[1]}?ssl_ca_certs={authority.file}"
        assert "with rediss:// it must speak TLS on this port" in await refusal(url)
