"""`croupier player show`."""

import asyncio
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter, validators

from croupier.partition import PARTITIONS
from croupier.settings import Settings
from croupier_cli.economies import stored_economy, version_in_force
from croupier_cli.errors import CannotRun
from croupier_cli.operation import operator_settings
from croupier_cli.output import JsonFlag, result, result_json
from croupier_cli.servers import redis
from croupier_http.auth import UID_MAX
from croupier_schemas import keys
from croupier_schemas.economy import GAMES
from croupier_schemas.layout import Layout
from croupier_schemas.records import CRASH, GACHA, PLAYER, SESSION

Value = int | str
AnyLayout = Layout[Any]


class Line(msgspec.Struct, frozen=True):
    """One field of a record, for people."""

    field: str
    value: Value
    meaning: str


def show(user: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=UID_MAX))], /, *,
         as_json: JsonFlag = False) -> None:  # fmt: skip
    """Print what Redis holds of a player, field by field. Of the server seed it says only whether it is there.

    Uses REDIS_URL, else the servers of a running `croupier up`. Shows the banners of the economy in force.

    Example: `croupier player show 42`

    Parameters
    ----------
    user:
        Id of the player.
    """
    settings = operator_settings("REDIS_URL")
    records = asyncio.run(_read(settings, user))
    if as_json:
        found: dict[str, Any] = {"gacha": {}, "session": {}}
        for title, layout, data in records:
            values = {line.field: line.value for line in describe(layout, data)}
            if layout.name in found:
                found[layout.name][title] = values
            else:
                found[layout.name] = values
        result_json({"user_id": user, **found})
        return
    for title, layout, data in records:
        result(f"player {title}" if layout is PLAYER else f"\n{layout.name} {title}".rstrip())
        for line in describe(layout, data):
            result(f"  {line.field:<20} {line.value!s:<20} {line.meaning}")


async def _read(settings: Settings, user: int) -> list[tuple[str, AnyLayout, bytes]]:
    """The player's records, each with a title: the player's own, banners played, crash, sessions."""
    partition = user % PARTITIONS
    async with redis(settings.redis_url) as transport:
        economy = await stored_economy(transport, await version_in_force(transport))
        player = await transport.call("GET", keys.player(partition, user))
        if not isinstance(player, bytes):
            raise CannotRun(f"there is no player {user}: a player exists from its first command on")
        places: list[tuple[str, AnyLayout, str]] = [
            (banner, GACHA, keys.gacha(partition, user, banner)) for banner in economy.gacha.banners
        ]
        places.append(("", CRASH, keys.crash(partition, user)))
        places += [(game, SESSION, keys.session(partition, user, game)) for game in GAMES]
        records: list[tuple[str, AnyLayout, bytes]] = [(str(user), PLAYER, player)]
        for title, layout, key in places:
            data = await transport.call("GET", key)
            if isinstance(data, bytes):
                records.append((title, layout, data))
        return records


def describe(layout: AnyLayout, data: bytes) -> list[Line]:
    """The fields of a record. Of volatile ones, which may be secret, only `present` or `absent`."""
    record = layout.unpack(data)
    lines = []
    for name, field in layout.fields.items():
        value = getattr(record, name)
        if not field.durable:
            value = "present" if any(value if field.text else (value,)) else "absent"
        elif field.text:
            length = getattr(record, f"{name}_length", None)
            value = value.hex() if length is None else value[:length].decode("ascii", "backslashreplace")
        lines.append(Line(name, value, field.meaning))
    return lines
