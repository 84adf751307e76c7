"""The three sockets: who may open which, and what it is made of."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from croupier.errors import CroupierError
from croupier.live import Shown
from croupier.op_id import OpIds
from croupier.query import Sources
from croupier.settings import Settings
from croupier_http.auth import UID_MAX, Authenticator, Identity
from croupier_http.commands import CommandRunner
from croupier_http.cors import Cors
from croupier_http.endpoints import Places
from croupier_http.failures import FailureLog
from croupier_http.metrics import Sampler, SocketTallies
from croupier_http.replies import Answer
from croupier_http.strangers import FromStranger
from croupier_http.upgrade import SWITCHING, Upgrade
from croupier_http.ws.channel import Channel, Channels
from croupier_http.ws.codecs import Codec
from croupier_http.ws.connection import TRY_LATER, Connection, Kind
from croupier_http.ws.credentials import Credentials
from croupier_http.ws.greetings import Greetings
from croupier_http.ws.handshake import accept
from croupier_http.ws.live import Live
from croupier_http.ws.routes import SOCKETS
from croupier_http.ws.sockets import Sockets


class WebSockets:
    """The WebSocket side of one worker: what all its sockets share."""

    def __init__(
        self,
        sources: Sources,
        settings: Settings,
        authenticator: Authenticator,
        cors: Cors | None,
        runners: Mapping[str, CommandRunner],
        op_ids: OpIds,
        failures: FailureLog,
        sampler: Sampler,
    ) -> None:
        self.sources = sources
        self.authenticator = authenticator
        self.cors = cors
        self.sockets = Sockets(settings.ws_sockets_max, settings.ws_sockets_per_player)
        frames, commands = settings.ws_frames_per_second, settings.ws_commands_per_second
        self.channels = {
            kind: Channels(runners if kind == "player" else {}, op_ids, failures, frames, commands, sampler)
            for kind in ("player", "monitor", "notifications")
        }
        for runner in runners.values():
            runner.on_banned = self._refused
        self.tallies = {kind: SocketTallies(kind) for kind in self.channels}
        for tallies in self.tallies.values():
            sampler.tallies += (tallies.frames, tallies.closes)
        sampler.before.append(self.sockets.sample)
        self.greetings = Greetings(sources, Shown(sources.engine.scripts), self._found)
        self.live = Live(
            settings.redis_url,
            sources.engine.transport,
            self.greetings,
            sources.engine.now_ms,
            self.sockets.ban,
        )

    def endpoints(self) -> "dict[str, SocketEndpoint]":
        """By path."""
        return {route.path: SocketEndpoint(route.kind, self) for route in SOCKETS}

    async def converse(
        self,
        handler: web.RequestHandler,
        early: bytes,
        codec: Codec,
        identity: Identity,
        kind: Kind,
        subject: int,
    ) -> None:
        """One socket, from its first frame to its last."""
        connection = Connection(handler, codec, identity, kind, subject, self.tallies[kind])
        why_not = self.sockets.why_not(identity.uid)
        if why_not:
            connection.begin(early)
            connection.close(TRY_LATER, why_not)
        else:
            self.sockets.add(connection, Channel(connection, self.channels[kind]))
            self.live.add(connection)
            connection.on_end = lambda: self._ended(connection)
            connection.begin(early)
        await connection.ended

    def _found(self, uid: int) -> None:
        """The player of a socket was found to be banned: here all sockets end, and on the other workers too."""
        if self.sockets.ban(uid):
            self.live.announce_ban(uid)

    def _refused(self, uid: int) -> None:
        """A player's command was refused, whichever way it came: sockets may be on the other workers only."""
        asyncio.get_running_loop().call_soon(self.sockets.ban, uid)  # after the reply, which is being made
        self.live.announce_ban(uid)

    def _ended(self, connection: Connection) -> None:
        self.sockets.remove(connection)
        self.live.remove(connection)


class SocketEndpoint:
    """Answers the handshakes of one kind of socket."""

    def __init__(self, kind: Kind, shared: WebSockets) -> None:
        self._kind = kind
        self._shared = shared

    async def answer(self, request: web.BaseRequest, op_id: bytes, places: Places) -> Answer:
        """Raises CroupierError for a handshake that is refused."""
        shared = self._shared
        credentials = None
        try:
            credentials = Credentials(request, shared.authenticator)
            codec, headers = accept(request, shared.cors)
        except CroupierError as error:
            if credentials is not None and credentials.are_proven:
                raise
            raise FromStranger(error) from error
        identity = await credentials.identify(shared.sources)
        subject = self._subject(identity, places)

        async def conversation(handler: web.RequestHandler, early: bytes) -> None:
            await shared.converse(handler, early, codec, identity, self._kind, subject)

        return Upgrade(b"", SWITCHING, headers=headers, conversation=conversation)

    def _subject(self, identity: Identity, places: Places) -> int:
        """Whom the socket is about. Raises CroupierError FORBIDDEN, NOT_FOUND."""
        if self._kind == "player":
            return identity.uid
        if self._kind == "monitor":
            if identity.role != "admin":
                raise CroupierError("FORBIDDEN")
            return 0
        text = places["user_id"]
        if not (text.isascii() and text.isdigit() and len(text) <= 16 and 1 <= int(text) <= UID_MAX):
            raise CroupierError("NOT_FOUND")
        if int(text) != identity.uid and identity.role != "admin":
            raise CroupierError("FORBIDDEN")
        return int(text)
