"""An authority, certificates that it issued, and a Redis behind a relay that speaks TLS."""

import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from croupier_cli.embedded import Valkey
from tests.transport.proxy import Proxy


@dataclass(frozen=True)
class Certificates:
    """Files of an authority, and of a server and a client that have a certificate of it."""

    authority: trustme.CA
    directory: Path

    @property
    def ca(self) -> str:
        return str(self.directory / "ca.pem")

    @property
    def client(self) -> dict[str, str]:
        """The settings that show the client's certificate."""
        return {
            "redis_ssl_certfile": str(self.directory / "client.pem"),
            "redis_ssl_keyfile": str(self.directory / "client.key"),
        }

    def server(self, *hosts: str, demands: bool = False) -> ssl.SSLContext:
        """What a server for these hosts accepts connections with; it may demand a certificate of the authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(*(hosts or ("127.0.0.1",))).configure_cert(context)
        if demands:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def made(directory: Path) -> Certificates:
    """A new authority, with its files in this directory."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    for name, host in (("server", "127.0.0.1"), ("client", "croupier")):
        issued = authority.issue_cert(host)
        issued.cert_chain_pems[0].write_to_path(directory / f"{name}.pem")
        issued.private_key_pem.write_to_path(directory / f"{name}.key")
        (directory / f"{name}.key").chmod(0o600)
    return Certificates(authority, directory)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of another authority."""
    return made(tmp_path_factory.mktemp("strangers"))


@contextmanager
def refusing(tls: ssl.SSLContext) -> Iterator[str]:
    """The URL of a server that demands a client certificate and, as OpenSSL does, says so to those without a good one.

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
        yield f"rediss://127.0.0.1:{listener.getsockname()[1]}"
        server.join()


@asynccontextmanager
async def relay(valkey: Valkey, tls: ssl.SSLContext | None) -> AsyncIterator[str]:
    """The URL of the Valkey through a relay that speaks TLS; plain for None."""
    async with Proxy(str(valkey.socket_path), tls=tls) as proxy:
        yield proxy.url.replace("redis://", "rediss://") if tls else proxy.url
