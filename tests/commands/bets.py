"""Spins and games of rock, paper, scissors, as the tests of commands make them; and what an event must hold of them."""

from typing import Any

import msgspec
from msgspec.structs import replace

from croupier.economy import version
from croupier.engine import Engine
from croupier.rps.play import PLAY
from croupier.slot.spin import SPIN
from croupier_schemas import keys
from croupier_schemas.economy import Economy, Tier
from croupier_schemas.records import SESSION, Session
from croupier_schemas.rps import Move, RpsPlay, RpsPlayReply
from croupier_schemas.slot import SlotSpin, SlotSpinReply
from tests.commands.world import MASTER_KEY, P, World, caller
from tests.model import fairness, records


async def spin(
    world: World,
    uid: int,
    bet: int = 100,
    *,
    key: str = "",
    tier: Tier = "STANDARD",
    engine: Engine | None = None,
) -> SlotSpinReply:
    """A spin that must succeed or raise CroupierError."""
    asked = caller(uid, tier=tier, key=key)
    return (await (engine or world.engine).execute(SPIN, asked, SlotSpin(bet))).reply


async def play(
    world: World,
    uid: int,
    bet: int = 100,
    *,
    move: Move = "ROCK",
    key: str = "",
    tier: Tier = "STANDARD",
    engine: Engine | None = None,
) -> RpsPlayReply:
    """A game of rock, paper, scissors that must succeed or raise CroupierError."""
    asked = caller(uid, tier=tier, key=key)
    return (await (engine or world.engine).execute(PLAY, asked, RpsPlay(move, bet))).reply


def plain(economy: Economy) -> Any:
    """An economy as its JSON form reads."""
    return msgspec.to_builtins(economy)


async def assert_round(
    world: World, uid: int, reply: SlotSpinReply | RpsPlayReply, *, result: bytes, terms: Any, tokens: int
) -> None:
    """Event, record and receipt say that this round left the player, in generation 1, so many tokens."""
    player = await world.existing_player(uid)
    seed = fairness.server_seed(MASTER_KEY, uid, 1)
    commitment = fairness.commitment(seed)
    image = records.player(
        banned=False, tokens=tokens, gems=player.gems, excluded_until_ms=0, day=0, pulls=0, nonce=player.nonce,
        key=1, generation=1, commitment=commitment, client_seed=str(uid),
        payout_max=player.payout_max, sessions=player.sessions,
    )  # fmt: skip
    record: Any = await world.transport.call("GET", keys.player(P, uid))
    assert record[: len(image)] == image
    event = (await world.events())[-1]
    assert msgspec.msgpack.decode(event.header.terms) == terms
    assert event.result == result
    assert (event.changes[0].key, event.changes[0].value) == (keys.player(P, uid), image)
    assert reply.balance == tokens
    assert msgspec.to_builtins(reply.receipt) == {
        "event_id": str(event.id),
        "seq": event.id.seq,
        "economy": version(world.economy),
        "nonce": player.nonce,
        "commitment": commitment,
    }


async def put_session(world: World, uid: int, game: str, **fields: int) -> str:
    """Open a session of this player, and say so in the record that the player must have; the session's key."""
    name = keys.session(P, uid, game)
    opened = replace(Session(b"s" * 16, world.clock.now_ms, world.clock.now_ms, 0, 0, 0, 0), **fields)
    await world.transport.call("SET", name, SESSION.pack(opened))
    return name


async def session(world: World, name: str) -> Session:
    data: Any = await world.transport.call("GET", name)
    return SESSION.unpack(data)
