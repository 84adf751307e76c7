"""Keeps one socket open: what is to be sent goes out on it, and what comes in is handed on."""

import asyncio
import logging

import aiohttp
import msgspec

from croupier_client.codecs import Codec
from croupier_client.commands import Commands, Pace
from croupier_client.connecting import NO_CLOSE, Connector, Ended, NotConnected
from croupier_client.errors import ClientError, CroupierRefused, CroupierUnavailable
from croupier_client.inbox import Inbox
from croupier_client.pushes import Greeting, PushReader
from croupier_client.silence import Silence
from croupier_client.tokens import NoToken
from croupier_schemas.live import Reconnect

log = logging.getLogger("croupier_client")


class Link:
    """Opens a socket, and another one whenever it is lost, until it is stopped or there is no point in it.

    `opened` is set while there is a socket, and once `failure` says why there will be none any more. `obstacle` says
    why there is none at present: in words, and with the error that was met.
    """

    def __init__(
        self,
        connector: Connector,
        codec: Codec,
        commands: Commands,
        pushes: PushReader,
        inbox: Inbox,
        pace: Pace,
        silence: Silence,
    ) -> None:
        self._connector = connector
        self._codec = codec
        self._commands = commands
        self._pushes = pushes
        self._inbox = inbox
        self._pace = pace
        self._silence = silence
        self._hint_s: float | None = None
        self._failures = 0
        self.opened = asyncio.Event()
        self.greeted = asyncio.Event()
        self.hello: Greeting | None = None
        self.obstacle: tuple[str, BaseException | None] | None = None
        self.failure: ClientError | None = None

    async def keep_open(self, session: aiohttp.ClientSession) -> None:
        """Returns when `failure` is set."""
        try:
            while True:
                ended = await self._converse(session)
                failure = ended.fatal()
                if failure is None and ended.is_token_over and not await self._connector.has_other_token():
                    failure = CroupierRefused(
                        "UNAUTHENTICATED", "The token is over, and there is no other.", 401
                    )
                if failure is not None:
                    raise failure
                wait_s = ended.wait_s(self._failures)
                self._failures += 1
                log.info("no socket (%s %s); next attempt in %.2f s", ended.code, ended.reason, wait_s)
                await asyncio.sleep(wait_s)
        except ClientError as error:
            log.warning("the stream has ended: %s", error)
            self.fail(error)
        except Exception as error:
            log.exception("the stream has failed")
            self.fail(CroupierUnavailable(f"the stream has failed: {type(error).__name__}"))

    def fail(self, failure: ClientError) -> None:
        """There will be no socket any more."""
        self.failure = failure
        self._commands.fail()
        self.opened.set()
        self.greeted.set()

    async def _converse(self, session: aiohttp.ClientSession) -> Ended:
        """One socket, from its opening to its end."""
        try:
            socket = await self._connector.open(session)
        except NotConnected as error:
            # Another error than this one, whose context may hold the request with its token.
            self.obstacle = str(error), ConnectionError(str(error))
            return Ended(NO_CLOSE, str(error), error.hint_s)
        except NoToken as error:
            self.obstacle = error.message, error.__cause__
            return Ended(NO_CLOSE, error.message)
        self.obstacle = None
        self._hint_s = None
        silent = self._silence.begin()
        self._commands.again()
        self.opened.set()
        reading, writing = asyncio.create_task(self._read(socket)), asyncio.create_task(self._write(socket))
        try:
            await asyncio.wait((reading, writing, silent), return_when=asyncio.FIRST_COMPLETED)
            if silent.done():
                return Ended(NO_CLOSE, "no frame came in time", self._hint_s)
            if not reading.done():
                writing.result()  # raises where it failed; else the socket is closed, and reading ends too
            return await reading
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Ended(NO_CLOSE, f"a frame cannot be read: {error}")
        finally:
            self.opened.clear()
            self._silence.end()
            reading.cancel()
            writing.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            await socket.close()  # at once where reading was cancelled: aiohttp then waits for no close frame

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Send what is to be sent, until the socket is closed."""
        commands, pace = self._commands, self._pace
        send = socket.send_frame
        opcode = aiohttp.WSMsgType.TEXT if self._codec.is_text else aiohttp.WSMsgType.BINARY
        try:
            while not socket.closed:
                await commands.wake.wait()
                commands.wake.clear()
                while frame := commands.frame():
                    self._silence.asked()
                    await send(frame, opcode)
                    await pace.turn()
        except (aiohttp.ClientError, OSError):
            await socket.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> Ended:
        """Hand on what comes, until the socket is closed. Raises msgspec.DecodeError, UnicodeDecodeError."""
        receive, take = socket.receive, self._take
        while True:
            kind, data, extra = await receive()
            if kind is aiohttp.WSMsgType.BINARY:
                take(data)
            elif kind is aiohttp.WSMsgType.TEXT:
                take(data.encode())
            elif kind is aiohttp.WSMsgType.CLOSE:
                return Ended(data or NO_CLOSE, str(extra or ""), self._hint_s)
            else:
                return Ended(NO_CLOSE, "the connection was lost", self._hint_s)

    def _take(self, frame: bytes) -> None:
        replies, packed = self._codec.read(frame)
        for reply in replies:
            if self._commands.answered(reply):
                self._failures = 0
        self._silence.heard(is_waiting=len(self._commands) > 0)
        if not packed:
            return
        push = self._pushes.read(packed)
        if isinstance(push, Reconnect):
            self._hint_s = push.after_ms / 1000
            return
        if isinstance(push, Greeting):
            self._failures = 0
            self.hello = push
            self.greeted.set()
        self._inbox.put(push)
