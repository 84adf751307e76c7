"""Ending the sessions that nobody plays any more."""

import asyncio
from typing import Final, cast

import structlog

from croupier.command import SYSTEM_ROLE, Caller
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.op_id import OpIds
from croupier.sessions.end import END
from croupier.sessions.recorded import SessionName, member
from croupier.sessions.rules import IDLE_MS
from croupier_schemas import keys
from croupier_schemas.economy import Game
from croupier_schemas.records import SESSION
from croupier_schemas.session import SessionEnd

log = structlog.get_logger(__name__)

BATCH_MAX: Final = 50
"""How many sessions one tick looks at, all at once, because crash rounds wait for the same sweeper."""
RETRY_MS: Final = 60_000
"""When to look again at one that could not be ended."""


class IdleSessions:
    """Ends idle sessions of a partition. Any number of processes may do so at once: each session ends once."""

    def __init__(self, engine: Engine, partition: int) -> None:
        self._engine = engine
        self._partition = partition
        self._op_ids = OpIds(engine.now_ms)

    async def tick(self, now_ms: int) -> int:
        """Look at the sessions whose time has come by `now_ms` (Unix ms); how many that were. Call often.

        Raises CroupierError where Redis cannot answer now.
        """
        index = keys.session_open(self._partition)
        found = cast(
            list[bytes],
            await self._engine.views.read("ZRANGEBYSCORE", index, "-inf", now_ms, "LIMIT", 0, BATCH_MAX),
        )
        await asyncio.gather(*(self._look(name.decode(), now_ms) for name in found))
        return len(found)

    async def _look(self, name: str, now_ms: int) -> None:
        uid, game = int(name.partition(":")[0]), cast(Game, name.partition(":")[2])
        data = await self._engine.views.read("GET", keys.session(self._partition, uid, game))
        try:
            session = SESSION.unpack(data) if isinstance(data, bytes) else None
        except ValueError as error:  # a record of another layout must not hold up the others
            log.error("cannot read an open session", uid=uid, game=game, error=str(error))
            await self._look_at(uid, game, now_ms + RETRY_MS)
            return
        if session is None or session.ended_at_ms:
            await self._look_at(
                uid, game, now_ms + IDLE_MS
            )  # should not be there; here it is in nobody's way
        elif session.last_at_ms + IDLE_MS <= now_ms:
            await self._end(uid, SessionName(game, session.id), now_ms)
        else:
            await self._look_at(uid, game, session.last_at_ms + IDLE_MS)

    async def _end(self, uid: int, name: SessionName, now_ms: int) -> None:
        """The script leaves alone what was played since; the next tick sees that."""
        caller = Caller(uid, "", SYSTEM_ROLE, self._op_ids.new())
        try:
            await self._engine.execute(END, caller, SessionEnd(str(name)))
        except CroupierError as error:
            if error.code != "SESSION_NOT_FOUND":  # that is one where another has begun meanwhile
                log.warning("idle session not ended", uid=uid, session_id=str(name), error=str(error))
                await self._look_at(uid, name.game, now_ms + RETRY_MS)

    async def _look_at(self, uid: int, game: Game, when_ms: int) -> None:
        """Look again at that time. XX, because the session may have been ended meanwhile."""
        await self._engine.views.read(
            "ZADD", keys.session_open(self._partition), "XX", when_ms, member(uid, game)
        )
