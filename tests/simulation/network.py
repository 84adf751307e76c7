"""The network between clients and model servers: byte streams that are late, come in pieces, or break off.

Bytes of one direction of one connection arrive in order; connections overtake each other. A connection can break before
a request has arrived, after it has been executed, or for the client alone while the request is still on its way.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

from tests.simulation.loop import VirtualLoop, running_process
from tests.simulation.process import Process

_NEAR_S: Final = (0.0001, 0.0008)
_FAR_S: Final = (0.005, 0.4)
_MUCH_LATER_S: Final = (0.05, 1.5)
_NEXT_S: Final = 1e-7


@dataclass
class Weather:
    """How bad the network is: probabilities per piece of data. All zero is a fine day."""

    chance: Random
    late: float = 0.0
    split: float = 0.0
    lost: float = 0.0
    cut_after: float = 0.0
    orphaned: float = 0.0
    stalled: float = 0.0

    def clear_up(self) -> None:
        """From now on nothing goes wrong."""
        self.late = self.split = self.lost = self.cut_after = self.orphaned = self.stalled = 0.0

    def latency_s(self) -> float:
        """How long something is on its way."""
        if self.late and self.chance.random() < self.late:
            return self.chance.uniform(*_FAR_S)
        return self.chance.uniform(*_NEAR_S)

    def happens(self, rate: float) -> bool:
        return rate > 0 and self.chance.random() < rate


class ServerSide(Protocol):
    """What a model server does with one connection."""

    def receive(self, data: bytes) -> None: ...

    def closed(self) -> None: ...


class Host(Protocol):
    """A model server as the network sees it."""

    process: Process

    def accept(self, link: "Link") -> ServerSide: ...


class Network:
    """Where servers are found: `hosts` by name. A name that is not there refuses connections."""

    def __init__(self, loop: VirtualLoop, weather: Weather) -> None:
        self.loop = loop
        self.weather = weather
        self.hosts: dict[str, Host] = {}
        self.links: list[Link] = []
        self.down = False

    async def connect(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """As the event loop's `create_connection`. Raises ConnectionRefusedError."""
        process = running_process.get()
        assert process is not None
        await asyncio.sleep(self.weather.latency_s())
        server = self.hosts.get(host)
        if server is None or not server.process.alive or self.down:
            raise ConnectionRefusedError(f"{host}:{port}")
        protocol = protocol_factory()
        link = Link(self, process, server, protocol)
        self.links.append(link)
        protocol.connection_made(link)
        return link, protocol

    def forget(self, link: "Link") -> None:
        if link in self.links:
            self.links.remove(link)

    def cut_all_of(self, process: Process) -> None:
        """The process, a client or a server, is gone: its kernel closes what it had open."""
        for link in [each for each in self.links if process in (each.client, each.server.process)]:
            link.end_of(process)


class Link(asyncio.Transport):
    """One connection; for the client's protocol it is its transport."""

    def __init__(
        self, network: Network, client: Process, server: Host, protocol: asyncio.BaseProtocol
    ) -> None:
        super().__init__()
        self.client = client
        self.server = server
        self._network = network
        self._loop = network.loop
        self._weather = network.weather
        self._protocol: Any = protocol
        self._closing = False
        self._server_gone = False
        self._broken = False
        self._to_server_s = self._to_client_s = 0.0
        self._reading = True
        self._unread: list[bytes] = []
        self._side = server.accept(self)

    # What the client does.

    def write(self, data: Any) -> None:
        """Send to the server; here most of what goes wrong goes wrong."""
        if self._closing:
            return
        data, weather = bytes(data), self._weather
        if weather.happens(weather.lost):
            self._break("lost before the server had it")
            return
        if weather.happens(weather.stalled):
            pause_s = weather.chance.uniform(*_MUCH_LATER_S)
            self._to_server_s = max(self._to_server_s, self._loop.now_s + pause_s)
        orphaned = weather.happens(weather.orphaned)
        if orphaned:  # the client sees the end at once, and the server the request much later
            self._to_server_s = self._loop.now_s + weather.chance.uniform(*_MUCH_LATER_S)
        for piece in self._pieces(data):
            self._send(piece)
        if orphaned:
            self._client_loses(ConnectionResetError("reset by the network"))
            self.server.process.at(self._after(self._to_server_s), self._server_loses)
        elif weather.happens(weather.cut_after):
            self.server.process.at(self._to_server_s + _NEXT_S, self._break, "cut behind the request")

    def close(self) -> None:
        if not self._closing:
            self._client_loses(None)
            self.server.process.at(self._after(self._to_server_s), self._server_loses)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        unread, self._unread = self._unread, []
        for data in unread:
            self.client.soon(self._arrived, data)

    def get_write_buffer_size(self) -> int:
        return 0

    # What the server does.

    def reply(self, data: bytes) -> None:
        """Send to the client."""
        if self._server_gone:
            return
        for piece in self._pieces(data):
            self._to_client_s = self._after(self._to_client_s)
            self.client.at(self._to_client_s, self._arrived, piece)

    def hang_up(self) -> None:
        """The server closes the connection; what it has sent arrives first."""
        if not self._server_gone:
            self._server_loses()
            self._end_for_client(None)

    def end_of(self, process: Process) -> None:
        """One of the two processes is gone."""
        if process is self.client:
            self._closing = True
            self.server.process.at(self._after(self._to_server_s), self._server_loses)
        else:
            self._server_gone = True
            self._end_for_client(None)
        self._network.forget(self)

    # Parts of the above.

    def _after(self, before_s: float) -> float:
        """When what is sent now arrives: behind what was sent before, since timers of one time run in any order."""
        return max(before_s + _NEXT_S, self._loop.now_s + self._weather.latency_s())

    def _pieces(self, data: bytes) -> list[bytes]:
        if len(data) > 1 and self._weather.happens(self._weather.split):
            at = self._weather.chance.randrange(1, len(data))
            return [data[:at], data[at:]]
        return [data]

    def _send(self, data: bytes) -> None:
        self._to_server_s = self._after(self._to_server_s)
        self.server.process.at(self._to_server_s, self._request_arrived, data)

    def _request_arrived(self, data: bytes) -> None:
        if not self._server_gone and not self._broken:
            self._side.receive(data)

    def _arrived(self, data: bytes) -> None:
        if self._closing or self._broken:
            return
        if self._reading:
            self._protocol.data_received(data)
        else:
            self._unread.append(data)

    def _break(self, why: str) -> None:
        """The connection is gone for both, and what is on its way with it."""
        self._broken = True
        self._server_loses()
        self._end_for_client(ConnectionResetError(why))

    def _server_loses(self) -> None:
        if not self._server_gone:
            self._server_gone = True
            self._side.closed()
            self._network.forget(self)

    def _end_for_client(self, error: Exception | None) -> None:
        self._to_client_s = self._after(self._to_client_s)
        self.client.at(self._to_client_s, self._ended, error)

    def _ended(self, error: Exception | None) -> None:
        if self._closing:
            return
        if error is None and self._protocol.eof_received():
            return
        self._client_loses(error)

    def _client_loses(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._network.forget(self)
        self.client.soon(self._protocol.connection_lost, error)
