"""Sessions as the tests of commands start, end and read them."""

from typing import Any

from msgspec.structs import replace

from croupier.engine import Engine
from croupier.sessions.end import END
from croupier.sessions.recorded import SessionName
from croupier.sessions.start import START
from croupier_schemas import keys
from croupier_schemas.economy import Game, Tier
from croupier_schemas.records import SESSION, Session
from croupier_schemas.session import SessionEnd, SessionEndReply, SessionStart, SessionStartReply
from tests.commands.world import P, World, caller

BITS = {"gacha": 1, "crash": 2, "slot": 4, "rps": 8}


async def start(
    world: World,
    uid: int,
    game: Game = "gacha",
    *,
    key: str = "",
    tier: Tier = "STANDARD",
    engine: Engine | None = None,
) -> SessionStartReply:
    """A start that must succeed or raise CroupierError."""
    asked = caller(uid, tier=tier, key=key)
    return (await (engine or world.engine).execute(START, asked, SessionStart(game))).reply


async def end(world: World, uid: int, session_id: str, *, engine: Engine | None = None) -> SessionEndReply:
    """An end that must succeed or raise CroupierError."""
    return (await end_twice(world, uid, session_id, engine=engine))[0]


async def end_twice(
    world: World, uid: int, session_id: str, *, engine: Engine | None = None
) -> tuple[SessionEndReply, bool]:
    """An end, and whether its reply is a replay."""
    outcome = await (engine or world.engine).execute(END, caller(uid), SessionEnd(session_id))
    return outcome.reply, outcome.replayed


async def session(world: World, uid: int, game: Game = "gacha") -> Session:
    """The record of a session."""
    data: Any = await world.transport.call("GET", keys.session(P, uid, game))
    return SESSION.unpack(data)


async def change_session(world: World, uid: int, game: Game = "gacha", **fields: int) -> None:
    """Give the session of a player another past."""
    changed = SESSION.pack(replace(await session(world, uid, game), **fields))
    await world.transport.call("SET", keys.session(P, uid, game), changed)


async def index(world: World) -> dict[str, int]:
    """When which session is to be looked at."""
    found: Any = await world.administer("ZRANGE", keys.session_open(P), 0, -1, "WITHSCORES")
    return {name.decode(): int(score) for name, score in zip(found[::2], found[1::2], strict=True)}


def raw_id(session_id: str) -> bytes:
    name = SessionName.parse(session_id)
    assert name is not None
    return name.id
