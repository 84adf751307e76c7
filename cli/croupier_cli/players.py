"""`croupier player show`."""

import asyncio
from typing import Annotated, Any

from cyclopts import Parameter, validators

from croupier.admin.players import describe, record_places
from croupier.settings import Settings
from croupier_cli.economies import stored_economy, version_in_force
from croupier_cli.errors import CannotRun
from croupier_cli.operation import operator_settings
from croupier_cli.output import JsonFlag, result, result_json
from croupier_cli.servers import redis
from croupier_http.auth import UID_MAX
from croupier_schemas.layout import Layout
from croupier_schemas.records import PLAYER

AnyLayout = Layout[Any]


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
        result(f"player {user}" if layout is PLAYER else f"\n{layout.name} {title}".rstrip())
        for line in describe(layout, data):
            result(f"  {line.field:<20} {line.value!s:<20} {line.meaning}")


async def _read(settings: Settings, user: int) -> list[tuple[str, AnyLayout, bytes]]:
    """The player's records, each with a title: the player's own, banners played, crash, sessions."""
    async with redis(settings.redis_url) as transport:
        economy = await stored_economy(transport, await version_in_force(transport))
        records: list[tuple[str, AnyLayout, bytes]] = []
        for name, layout, key in record_places(user, economy.gacha.banners):
            data = await transport.call("GET", key)
            if isinstance(data, bytes):
                records.append((name, layout, data))
            elif layout is PLAYER:
                raise CannotRun(f"there is no player {user}: a player exists from its first command on")
        return records
