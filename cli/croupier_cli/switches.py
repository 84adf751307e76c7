"""`croupier game enable|disable` and `croupier maintenance on|off`: pushes that change one setting."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from croupier.settings import Settings
from croupier_cli.economies import stored_economy, version_in_force
from croupier_cli.operation import casino, operator_settings
from croupier_cli.output import JsonFlag, result, result_json
from croupier_schemas.economy import Economy, Game
from croupier_sync.push import push


def enable(game: Game, /, *, as_json: JsonFlag = False) -> None:
    """Open a game again: put the economy in force once more, with this one setting changed.

    Uses REDIS_URL and DATABASE_URL, else the servers of a running `croupier up`.

    Example: `croupier game enable slot`

    Parameters
    ----------
    game:
        The game.
    """
    _set_enabled(game, True, as_json)


def disable(game: Game, /, *, as_json: JsonFlag = False) -> None:
    """Close a game: players are refused with GAME_DISABLED. Open bets of crash are cashed out and settled as before.

    It puts the economy in force once more, with this one setting changed. Uses REDIS_URL and DATABASE_URL, else the
    servers of a running `croupier up`.

    Example: `croupier game disable slot`

    Parameters
    ----------
    game:
        The game.
    """
    _set_enabled(game, False, as_json)


def maintenance_on(*, as_json: JsonFlag = False) -> None:
    """Close all games: players are refused with MAINTENANCE. Open bets of crash are cashed out and settled as before.

    It puts the economy in force once more, with this one setting changed. Uses REDIS_URL and DATABASE_URL, else the
    servers of a running `croupier up`.

    Example: `croupier maintenance on`
    """
    _set_maintenance(True, as_json)


def maintenance_off(*, as_json: JsonFlag = False) -> None:
    """Open all games again, except for those that are disabled one by one.

    It puts the economy in force once more, with this one setting changed. Uses REDIS_URL and DATABASE_URL, else the
    servers of a running `croupier up`.

    Example: `croupier maintenance off`
    """
    _set_maintenance(False, as_json)


def _set_enabled(game: Game, enabled: bool, as_json: bool) -> None:
    def change(economy: Economy) -> Economy:
        return replace(economy, **{game: replace(getattr(economy, game), enabled=enabled)})

    version, changed = asyncio.run(_switch(operator_settings("REDIS_URL", "DATABASE_URL"), change))
    if as_json:
        result_json({"game": game, "enabled": enabled, "version": version, "changed": changed})
    else:
        result(_sentence(f"{game} is {'enabled' if enabled else 'disabled'}", version, changed))


def _set_maintenance(on: bool, as_json: bool) -> None:
    def change(economy: Economy) -> Economy:
        return replace(economy, maintenance=on)

    version, changed = asyncio.run(_switch(operator_settings("REDIS_URL", "DATABASE_URL"), change))
    if as_json:
        result_json({"maintenance": on, "version": version, "changed": changed})
    else:
        result(_sentence(f"maintenance is {'on' if on else 'off'}", version, changed))


async def _switch(settings: Settings, change: Callable[[Economy], Economy]) -> tuple[str, bool]:
    """Push what the change makes of the economy in force. Returns the version then in force, and whether it is new.

    A push by somebody else in between is not undone: raises PartitionError then.
    """
    async with casino(settings) as servers:
        in_force = await version_in_force(servers.transport)
        economy = await stored_economy(servers.transport, in_force)
        if (changed := change(economy)) == economy:
            return in_force, False
        return await push(*servers, changed, in_place_of=in_force)


def _sentence(state: str, version: str, changed: bool) -> str:
    return f"{state}: version {version} is in force" if changed else f"{state} already: nothing changed"
