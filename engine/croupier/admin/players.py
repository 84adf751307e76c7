"""What Redis holds of a player, field by field. `croupier player show` prints the same."""

from collections.abc import Iterable
from typing import Any, Final, cast

from croupier.command import Caller
from croupier.errors import CroupierError
from croupier.partition import PARTITIONS
from croupier.query import Query, Sources
from croupier_schemas import keys
from croupier_schemas.admin import PlayerQuery, PlayerRecord, PlayerReply, RecordField
from croupier_schemas.economy import GAMES
from croupier_schemas.layout import Layout
from croupier_schemas.records import CRASH, GACHA, PLAYER, SESSION

Place = tuple[str, Layout[Any], str]
"""Name (banner or game), layout and key of a record."""


def record_places(uid: int, banners: Iterable[str]) -> list[Place]:
    """Where the records of a player are, the player's own first."""
    partition = uid % PARTITIONS
    return [
        ("", PLAYER, keys.player(partition, uid)),
        *((banner, GACHA, keys.gacha(partition, uid, banner)) for banner in banners),
        ("", CRASH, keys.crash(partition, uid)),
        *((game, SESSION, keys.session(partition, uid, game)) for game in GAMES),
    ]


def describe(layout: Layout[Any], data: bytes) -> list[RecordField]:
    """The fields of a record. Of volatile ones, which may be secret, only `present` or `absent`."""
    record = layout.unpack(data)
    described = []
    for name, field in layout.fields.items():
        value = getattr(record, name)
        if not field.durable:
            value = "present" if any(value if field.text else (value,)) else "absent"
        elif field.text:
            length = getattr(record, f"{name}_length", None)
            value = value.hex() if length is None else value[:length].decode("ascii", "backslashreplace")
        described.append(RecordField(name, value, field.meaning))
    return described


async def player(sources: Sources, _caller: Caller, params: PlayerQuery) -> PlayerReply:
    """The player's records on the banners in force. Raises CroupierError PLAYER_NOT_FOUND and NOT_READY."""
    views = sources.engine.views
    economy = (await views.in_force(params.user_id % PARTITIONS)).economy
    places = record_places(params.user_id, economy.banners)
    values = cast(list[bytes | None], await views.read("MGET", *(key for _, _, key in places)))
    if values[0] is None:
        raise CroupierError("PLAYER_NOT_FOUND")
    records = [
        PlayerRecord(layout.name, name, describe(layout, data))
        for (name, layout, _), data in zip(places, values, strict=True)
        if data is not None
    ]
    return PlayerReply(params.user_id, records)


PLAYER_STATE: Final = Query(
    name="admin.player",
    path="/api/admin/players/{user_id}",
    summary="What Redis holds of a player, field by field; of secrets only whether they are there",
    params=PlayerQuery,
    reply=PlayerReply,
    answer=player,
    access="admin",
    errors=("PLAYER_NOT_FOUND",),
)
