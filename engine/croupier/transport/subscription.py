"""A connection that listens to channels: no place for calls, since what it receives is not replies to them."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import hiredis
import structlog

from croupier.transport.address import Address
from croupier.transport.connection import Argument, pack

log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT_S: Final = 2.0
_SILENCE_MAX_S: Final = 10.0
_PONG_TIMEOUT_S: Final = 5.0
_PAUSE_MIN_S: Final = 0.05
_PAUSE_MAX_S: Final = 1.0
_READ_SIZE: Final = 65_536


class Subscription:
    """Listens to channels, and connects again whenever the connection is lost.

    What is published while there is none is lost: `subscribed` is called with a channel each time that listening to it
    begins. A connection whose other end has gone without a word looks like one to which nothing is published: so after
    `silence_max_s` without a byte the server is asked for one, and without any for `pong_timeout_s` more it is lost.
    """

    def __init__(
        self,
        url: str,
        channels: Sequence[str],
        *,
        silence_max_s: float = _SILENCE_MAX_S,
        pong_timeout_s: float = _PONG_TIMEOUT_S,
    ) -> None:
        """`channels` are those to begin with, at least one. Raises ValueError for a URL that is none."""
        self._address = Address.from_url(url)
        self._channels = dict.fromkeys(channels)
        self._silence_max_s = silence_max_s
        self._pong_timeout_s = pong_timeout_s
        self._writer: asyncio.StreamWriter | None = None

    def add(self, channel: str) -> None:
        """Listen to another channel too."""
        self._channels[channel] = None
        self._send("SUBSCRIBE", channel)

    def remove(self, channel: str) -> None:
        """Listen to a channel no longer."""
        del self._channels[channel]
        self._send("UNSUBSCRIBE", channel)

    def _send(self, *command: str) -> None:
        """Send it, unless there is no connection: the next one begins with the channels there are then."""
        # One that breaks is still there for a moment, and uvloop's transport raises.
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(pack(command))

    async def listen(
        self,
        heard: Callable[[str, bytes], None],
        subscribed: Callable[[str], None],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Call `heard` with the channel and the text of each message, `lost` when the connection is. Never returns."""
        pause_s = _PAUSE_MIN_S
        while True:
            try:
                async for message in self._messages():
                    if message[0] == b"message":
                        heard(message[1].decode(), message[2])
                    elif message[0] == b"subscribe":
                        pause_s = _PAUSE_MIN_S
                        subscribed(message[1].decode())
            except (OSError, TimeoutError, EOFError, hiredis.HiredisError) as error:
                log.debug("not listening to redis", address=str(self._address), error=repr(error))
            lost()
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - it spreads load
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    async def _messages(self) -> Any:
        """What arrives on one connection, until that is lost. Raises what `listen` catches."""
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await self._open()
        try:
            writer.write(self._greeting())
            self._writer = writer
            replies = hiredis.Reader()
            while data := await self._read(reader):
                replies.feed(data)
                while (reply := replies.gets()) is not False:
                    if isinstance(reply, hiredis.ReplyError):
                        raise reply
                    if isinstance(reply, list):
                        yield reply
        finally:
            self._writer = None
            writer.transport.abort()  # what is still to be sent may have nobody to take it
            with suppress(OSError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """What arrives next; empty at the end. Raises TimeoutError where the other end gives no sign of life."""
        try:
            async with asyncio.timeout(self._silence_max_s):
                return await reader.read(_READ_SIZE)
        except TimeoutError:
            self._send("PING")
        async with asyncio.timeout(self._pong_timeout_s):
            return await reader.read(_READ_SIZE)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._address
        if address.socket_path:
            return await asyncio.open_unix_connection(address.socket_path)
        return await asyncio.open_connection(address.host, address.port, ssl=address.tls)

    def _greeting(self) -> bytes:
        commands: list[tuple[Argument, ...]] = [("SUBSCRIBE", *self._channels)]
        if self._address.password:
            login = (self._address.username,) if self._address.username else ()
            commands.insert(0, ("AUTH", *login, self._address.password))
        return b"".join(map(pack, commands))
