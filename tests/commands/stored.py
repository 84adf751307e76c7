"""Everything that a partition keeps in Redis, as its events should leave it."""

from typing import Any

from croupier_schemas import keys
from croupier_schemas.records import CRASH, PLAYER
from tests.commands.world import P, World

Store = dict[str, bytes | dict[str, bytes]]

_RATED = {f"{{{P}}}:player:": PLAYER.durable_size, f"{{{P}}}:crash:": CRASH.durable_size}


def durable(name: str, record: bytes) -> bytes:
    """What the mirror holds of the value of a key: of records that have volatile fields, the rest."""
    for prefix, size in _RATED.items():
        if name.startswith(prefix):
            return record[:size]
    return record


async def stored(world: World) -> Store:
    """Every key but head, outbox and the indexes of what is open; of records the durable part."""
    call = world.transport.call
    names: Any = await world.administer("KEYS", "*")
    texts = sorted(name.decode() for name in names)
    others = [name for name in texts if name == keys.head(P) or name.startswith(keys.outbox(P, ""))]
    assert len(others) == 2
    others += [keys.crash_open(P), keys.session_open(P)]
    pools = [name for name in texts if name.startswith(keys.pool(P, ""))]
    strings = [name for name in texts if name not in pools and name not in others]
    values: Any = await call("MGET", *strings)
    held: Store = {name: durable(name, value) for name, value in zip(strings, values, strict=True)}
    for name in pools:
        fields: Any = await call("HGETALL", name)
        held[name] = dict(zip(map(bytes.decode, fields[::2]), fields[1::2], strict=True))
    return held


async def index(world: World, name: str) -> dict[str, int]:
    """A sorted set: scores by member."""
    found: Any = await world.administer("ZRANGE", name, 0, -1, "WITHSCORES")
    return {member.decode(): int(score) for member, score in zip(found[::2], found[1::2], strict=True)}
