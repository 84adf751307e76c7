"""Which server the daemon is talking to: what was decided on one must not be done on another."""

from collections.abc import Sequence
from typing import Protocol

from croupier.scripts import Script
from croupier.transport import Transport, Unavailable

TIMEOUT_S = 2.0


class Writer(Protocol):
    """What sends commands whose replies nobody reads."""

    async def call(self, *args: bytes | str | int) -> object: ...


class Server:
    """One Redis server: the transport for as long as it has the connection on which the identity was learned.

    Raises Unavailable once that connection is gone.
    """

    def __init__(self, transport: Transport) -> None:
        if transport.identity is None:
            raise Unavailable("Redis is not connected")
        self.transport = transport
        self.identity = str(transport.identity)
        self._master_replid = transport.identity.master_replid
        self._connection_number = transport.connection_number

    @property
    def is_current(self) -> bool:
        """Whether the transport still has that connection."""
        return (
            self.transport.connection_number == self._connection_number
            and self.transport.identity is not None
        )

    async def check_identity(self) -> None:
        """Give the connection up where its server has been demoted or promoted.

        Such a server keeps its process and its connections, but not its history of writes. The transport learns
        what it is now when it connects again, and does so once it is a master.
        """
        reply = await self.call("INFO", "replication")
        assert isinstance(reply, bytes)
        lines = reply.decode("utf-8", "replace").splitlines()
        replication = dict(line.split(":", 1) for line in lines if ":" in line)
        if replication["role"] != "master" or replication["master_replid"] != self._master_replid:
            self.transport.reconnect("the server was demoted or promoted")

    async def call(self, *args: bytes | str | int, timeout_s: float = TIMEOUT_S) -> object:
        """Send one command."""
        if not self.is_current:
            raise Unavailable("the connection to Redis was lost")
        return await self.transport.call(*args, timeout_s=timeout_s)

    async def run(self, script: Script, keys: Sequence[bytes | str], args: Sequence[bytes | str]) -> object:
        """Run a script on this very server or not at all."""
        return await self.transport.run(script, keys, args, connection_number=self._connection_number)
