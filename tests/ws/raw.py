"""A WebSocket client that sends what it is told, byte for byte, and reads only when asked."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

from tests.http.support import DEADLINE_S, Client, token
from tests.ws.support import WS

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(
    payload: bytes, opcode: int = TEXT, *, fin: bool = True, masked: bool = True, rsv: int = 0
) -> bytes:
    """One frame of a client."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = struct.pack(">BB", first, mask_bit | len(payload))
    elif len(payload) < 65_536:
        head = struct.pack(">BBH", first, mask_bit | 126, len(payload))
    else:
        head = struct.pack(">BBQ", first, mask_bit | 127, len(payload))
    if not masked:
        return head + payload
    mask = b"\x1a\x2b\x3c\x4d"
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


class Raw:
    """The connection after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self) -> tuple[int, bytes]:
        """The next frame of the server: opcode and payload."""
        first, length = struct.unpack(">BB", await self.reader.readexactly(2))
        if length == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """Read to the close frame, answer it, and see the connection end; the code."""
        async with asyncio.timeout(DEADLINE_S):
            opcode, payload = await self.read()
            while opcode != CLOSE:
                opcode, payload = await self.read()
            with contextlib.suppress(OSError):
                self.writer.write(frame(payload[:2], CLOSE))
                await self.reader.read()
        return int.from_bytes(payload[:2], "big")


@contextlib.asynccontextmanager
async def raw_socket(
    client: Client,
    path: str = WS,
    *,
    bearer: str | None = None,
    protocol: str = "croupier.json",
    behind: bytes = b"",
) -> AsyncIterator[Raw]:
    """An open socket; `behind` goes out with the handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {protocol}\r\n"
            f"Authorization: Bearer {token() if bearer is None else bearer}\r\n\r\n".encode()
            + behind
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield Raw(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
