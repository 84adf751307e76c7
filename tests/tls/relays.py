"""Servers that speak TLS: what comes to them is decrypted and handed to a real one on a Unix socket."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Self

import trustme

HOST: Final = "localhost"
_SSL_REQUEST_BYTES: Final = 8


class Authority:
    """One that issues certificates, with the files that a client is configured with."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self.file = directory / "authority.pem"
        self._authority.cert_pem.write_to_path(self.file)
        client = self._authority.issue_cert("croupier@client.test")
        self.client = directory / "client.pem"
        client.private_key_and_cert_chain_pem.write_to_path(self.client)

    def write_server(self, file: Path, host: str) -> None:
        """The certificate and the key of a server that speaks TLS itself, in one file for its user alone."""
        self._authority.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(file)
        file.chmod(0o600)

    def server(self, *, asks_for_certificates: bool = False) -> ssl.SSLContext:
        """A server's side, with a certificate for `HOST`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(HOST).configure_cert(context)
        if asks_for_certificates:
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Relay:
    """Listens on a port of the loopback. Use `relaying`."""

    def __init__(self, socket_path: str, tls: ssl.SSLContext, *, postgres: bool) -> None:
        self._socket_path = socket_path
        self._tls = tls
        self._postgres = postgres
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> Self:
        """Begin to listen. Postgres' clients ask for TLS in the clear first."""
        tls = None if self._postgres else self._tls
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=tls)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """End all connections."""
        assert self._listener is not None
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._listener.wait_closed()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
            if self._postgres:
                await reader.readexactly(_SSL_REQUEST_BYTES)
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._tls)
            from_server, to_server = await asyncio.open_unix_connection(self._socket_path)
            self._writers.add(to_server)
            await asyncio.gather(_pump(reader, to_server), _pump(from_server, writer))
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def relaying(socket_path: str, tls: ssl.SSLContext, *, postgres: bool = False) -> AsyncIterator[Relay]:
    """A relay to this socket."""
    relay = await Relay(socket_path, tls, postgres=postgres).open()
    try:
        yield relay
    finally:
        await relay.close()
