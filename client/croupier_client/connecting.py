"""Opening a socket, and what its end means."""

import asyncio
from typing import Final, NamedTuple

import aiohttp
import msgspec
from yarl import URL

from croupier_client.codecs import Codec
from croupier_client.errors import ClientError, CroupierProtocolError, CroupierRefused
from croupier_client.operations import TICKET
from croupier_client.retries import jitter_s
from croupier_client.tokens import NoToken, Tokens

CONNECT_S: Final = 5.0
HEARTBEAT_S: Final = 20.0

_NOT_AGAIN: Final = {
    1002: "what was sent is no WebSocket",
    1003: "frames of this kind are not taken",
    1007: "a frame was not a command",
    1009: "a frame was too large",
}
NO_CLOSE: Final = 1006
_TRY_LATER, _TOKEN, _NOT_ALLOWED, _TOO_MANY_FRAMES = 1013, 4401, 4403, 4429
_UNAUTHENTICATED: Final = 401
_TICKET_BYTES_MAX: Final = 4096
_FIRST_S: Final = 0.1
_LONGEST_S: Final = 20.0
_LATER_S: Final = 1.0


class NotConnected(Exception):
    """The socket could not be opened now. `hint_s`: when to come back, None where the server did not say."""

    def __init__(self, reason: str, hint_s: float | None = None) -> None:
        super().__init__(reason)
        self.hint_s = hint_s


class Connector:
    """Opens the sockets of one stream, each with the token in force: in a header, or for a ticket in the address."""

    def __init__(
        self,
        base_url: URL,
        path: str,
        tokens: Tokens,
        codec: Codec,
        *,
        tickets: bool,
        message_bytes_max: int,
        heartbeat_s: float,
    ) -> None:
        self._ticket_url = base_url.join(URL(TICKET.path))
        self._url = base_url.join(URL(path))
        self._tokens = tokens
        self._codec = codec
        self._tickets = tickets
        self._message_bytes_max = message_bytes_max
        self._heartbeat_s = heartbeat_s
        self._token = ""

    async def open(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        """An open socket. Raises NotConnected, NoToken, and CroupierRefused where trying again would be in vain."""
        self._token = await self._tokens.current()
        try:
            return await self._open(session)
        except CroupierRefused as refusal:
            if refusal.status != _UNAUTHENTICATED or not await self._renew():
                raise
            return await self._open(session)

    async def has_other_token(self) -> bool:
        """Whether there is another token than the last, which the server takes no more."""
        try:
            return await self._renew()
        except NoToken:
            return True  # there may be one later

    async def _renew(self) -> bool:
        other = await self._tokens.after(self._token)
        self._token = other or self._token
        return other is not None

    async def _open(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        bearer = {"Authorization": f"Bearer {self._token}"}
        try:
            async with asyncio.timeout(CONNECT_S):
                url, headers = self._url, bearer
                if self._tickets:
                    url, headers = url.with_query(ticket=await self._ticket(session, bearer)), {}
                return await session.ws_connect(
                    url,
                    headers=headers,
                    protocols=(self._codec.name,),
                    max_msg_size=self._message_bytes_max,
                    heartbeat=self._heartbeat_s,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )
        # Not aiohttp's errors themselves: they hold the request with its token or ticket.
        except aiohttp.WSServerHandshakeError as error:
            raise _refused(
                error.status, error.headers.get("Retry-After", "") if error.headers else ""
            ) from None
        except TimeoutError:
            raise NotConnected("no connection in time") from None
        except (aiohttp.ClientError, OSError, EOFError) as error:
            raise NotConnected(f"no connection: {type(error).__name__}") from None

    async def _ticket(self, session: aiohttp.ClientSession, bearer: dict[str, str]) -> str:
        headers = {**bearer, "Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with session.post(
            self._ticket_url, data=b"{}", headers=headers, allow_redirects=False
        ) as reply:
            if reply.status != 200:
                raise _refused(reply.status, reply.headers.get("Retry-After", ""))
            try:
                return TICKET.from_json(
                    await reply.content.readexactly(min(reply.content_length or 0, _TICKET_BYTES_MAX))
                ).ticket
            except msgspec.DecodeError:
                raise NotConnected("the server's ticket cannot be read") from None


def _refused(status: int, retry_after: str) -> CroupierRefused | NotConnected:
    if status == 429 or status >= 500:
        hint_s = float(retry_after) if retry_after.isdecimal() else None
        return NotConnected(f"the handshake was answered with {status}", hint_s)
    codes = {401: "UNAUTHENTICATED", 403: "FORBIDDEN", 404: "NOT_FOUND"}
    return CroupierRefused(codes.get(status, f"HTTP_{status}"), "The handshake was refused.", status)


class Ended(NamedTuple):
    """How a socket ended, or that none was opened. `hint_s`: when to come back, None where the server did not say."""

    code: int
    reason: str
    hint_s: float | None = None

    @property
    def is_token_over(self) -> bool:
        """Whether another token is needed."""
        return self.code == _TOKEN

    def wait_s(self, failures: int) -> float:
        """In how many seconds to connect again. `failures` count since all was well."""
        if self.hint_s is not None:
            return self.hint_s + jitter_s(0, _FIRST_S)
        if self.is_token_over and not failures:
            return 0.0
        wait_s = jitter_s(failures, _FIRST_S, _LONGEST_S)
        return wait_s + _LATER_S if self.code in (_TRY_LATER, _TOO_MANY_FRAMES) else wait_s

    def fatal(self) -> ClientError | None:
        """What the stream ends with; None where it may connect again."""
        if self.code == _NOT_ALLOWED:
            code = "PLAYER_BANNED" if "BANNED" in self.reason else "FORBIDDEN"
            return CroupierRefused(code, "The server has closed the socket.", 403)
        if self.code in _NOT_AGAIN:
            return CroupierProtocolError(
                f"the server has closed the socket: {_NOT_AGAIN[self.code]} ({self.code})"
            )
        return None
