"""`croupier economy check|show|push`."""

import asyncio
from pathlib import Path

from croupier.economy import EconomyError, from_canonical, load_economy, version
from croupier.partition import read_head
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.errors import CannotRun
from croupier_cli.exit_codes import CHECK_FAILED, DONE
from croupier_cli.operation import casino, operator_settings
from croupier_cli.output import JsonFlag, indented_json, note, result, result_json
from croupier_cli.servers import redis
from croupier_schemas import keys
from croupier_schemas.economy import Economy
from croupier_sync.push import push as push_everywhere

_FORMATS = (".toml", ".json")


def configured_economy(settings: Settings) -> Economy:
    """The economy of CROUPIER_ECONOMY, or the default one. Raises CannotRun where it cannot be used."""
    if not settings.economy:
        return load_economy()
    try:
        return usable_economy(Path(settings.economy))
    except CannotRun as error:
        raise CannotRun(f"CROUPIER_ECONOMY: {error}") from error


def usable_economy(file: Path) -> Economy:
    """The economy of the file. Raises CannotRun, with the first problem found, where it cannot be used."""
    _require_file(file)
    try:
        return load_economy(file)
    except EconomyError as error:
        first, *others = error.problems
        more = f" (and {len(others)} more: croupier economy check {file})" if others else ""
        raise CannotRun(f"{file} is no sound economy: {first}{more}") from error


def check(file: Path, /, *, as_json: JsonFlag = False) -> int:
    """Check an economy file, without any server. Exit code 1 and one line per problem where it is not sound.

    Example: `croupier economy check economy.toml`

    Parameters
    ----------
    file:
        The file, in TOML or JSON by the end of its name.
    """
    _require_file(file)
    try:
        economy = load_economy(file)
    except EconomyError as error:
        if as_json:
            result_json({"sound": False, "version": None, "problems": error.problems})
        else:
            result(str(error))
        return CHECK_FAILED
    if as_json:
        result_json({"sound": True, "version": version(economy), "problems": []})
    else:
        result(f"{file} is sound: version {version(economy)}")
    return DONE


def show(*, version: str | None = None, as_json: JsonFlag = False) -> None:
    """Print the economy in force, in a form that `croupier economy push` takes; its version goes to standard error.

    Uses REDIS_URL, else the servers of a running `croupier up`.

    Example: `croupier economy show > economy.json`

    Parameters
    ----------
    version:
        An economy that is or was in force, by its 64 hexadecimal digits.
    """
    settings = operator_settings("REDIS_URL")
    name, in_force, economy = asyncio.run(_show(settings, version))
    if as_json:
        result_json({"version": name, "in_force": in_force, "economy": economy})
    else:
        note(f"version {name}{', in force' if in_force else ''}")
        result(indented_json(economy))


async def _show(settings: Settings, version: str | None) -> tuple[str, bool, Economy]:
    async with redis(settings.redis_url) as transport:
        in_force = await version_in_force(transport)
        name = version or in_force
        return name, name == in_force, await stored_economy(transport, name)


async def version_in_force(transport: Transport) -> str:
    """The version of the economy in force. Raises CannotRun where there is none."""
    head = await read_head(transport, 0)
    if head is None or not head.economy:
        raise CannotRun("no economy is in force in this Redis yet: start `croupier up` or `croupier sync`")
    return head.economy


async def stored_economy(transport: Transport, version: str) -> Economy:
    """An economy that is or was in force. Raises CannotRun where it never was."""
    return from_canonical(await stored_form(transport, version))


async def stored_form(transport: Transport, version: str) -> bytes:
    """The same in the canonical form of the release that pushed it."""
    stored = await transport.call("GET", keys.economy(0, version))
    if not isinstance(stored, bytes):
        raise CannotRun(f"no economy of version {version!r} was ever in force here")
    return stored


def push(file: Path, /, *, as_json: JsonFlag = False) -> None:
    """Check an economy file and put it in force, while players play. Existing pools keep their stock.

    Uses REDIS_URL and DATABASE_URL, else the servers of a running `croupier up`.

    Example: `croupier economy push economy.toml`

    Parameters
    ----------
    file:
        The file, in TOML or JSON by the end of its name.
    """
    economy = usable_economy(file)
    settings = operator_settings("REDIS_URL", "DATABASE_URL")
    name, changed = asyncio.run(_push(settings, economy))
    if as_json:
        result_json({"version": name, "changed": changed})
    else:
        result(f"version {name} is in force{'' if changed else ' already: nothing changed'}")


async def _push(settings: Settings, economy: Economy) -> tuple[str, bool]:
    async with casino(settings) as servers:
        return await push_everywhere(*servers, economy)


def _require_file(file: Path) -> None:
    """A file that cannot be read is no unsound economy: raises CannotRun."""
    if file.suffix not in _FORMATS:
        raise CannotRun(f"{file} is no economy file: its name must end in {' or '.join(_FORMATS)}")
    try:
        file.open("rb").close()
    except OSError as error:
        raise CannotRun(f"{file} cannot be read: {error.strerror}") from error
