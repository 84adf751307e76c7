"""`croupier economy history|rollback`."""

import asyncio
import datetime
from typing import Annotated

import msgspec
from cyclopts import Parameter, validators

from croupier.clock import utc
from croupier.economy import from_canonical
from croupier.settings import Settings
from croupier_cli.drain import drain
from croupier_cli.economies import stored_form, version_in_force
from croupier_cli.errors import CannotRun
from croupier_cli.operation import Casino, casino, operator_settings
from croupier_cli.output import JsonFlag, note, result, result_json
from croupier_schemas.events import SYSTEM, EventId
from croupier_sync.push import put_in_force

_LIMIT_MAX = 1_000
_PUSHES = f"""
SELECT partition, epoch, seq, ts_ms, encode(economy, 'hex') AS version FROM events
WHERE partition = 0 AND uid = {SYSTEM} AND type = 'economy.changed'
ORDER BY epoch DESC, seq DESC LIMIT $1
"""
_BEFORE = f"""
SELECT encode(economy, 'hex') FROM events
WHERE partition = 0 AND uid = {SYSTEM} AND type = 'economy.changed' AND economy <> decode($1, 'hex')
ORDER BY epoch DESC, seq DESC LIMIT 1
"""


class Push(msgspec.Struct, frozen=True):
    """One push, or rollback, as Postgres remembers it. At most the latest is `in_force`."""

    pushed_at: datetime.datetime
    version: str
    event_id: str
    in_force: bool


def history(
    *,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=_LIMIT_MAX))] = 20,
    as_json: JsonFlag = False,
) -> None:
    """Print when which economy was put in force, the latest first: time, version, event, and whether it is in force.

    A rollback is a push too. Uses REDIS_URL and DATABASE_URL, else the servers of a running `croupier up`.

    Example: `croupier economy history --limit 5`

    Parameters
    ----------
    limit:
        How many of the latest pushes.
    """
    settings = operator_settings("REDIS_URL", "DATABASE_URL")
    in_force, pushes = asyncio.run(_history(settings, limit))
    if not any(push.in_force for push in pushes):
        note(
            f"version {in_force} is in force, and Postgres does not hold its event yet: is `croupier sync` running?"
        )
    if as_json:
        result_json({"pushes": pushes})
        return
    for push in pushes:
        time = push.pushed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        result(f"{time}  {push.version}  {push.event_id}{'  in force' if push.in_force else ''}")


async def _history(settings: Settings, limit: int) -> tuple[str, list[Push]]:
    async with casino(settings) as servers:
        in_force = await version_in_force(servers.transport)
        rows = await servers.connection.fetch(_PUSHES, limit)
    return in_force, [
        Push(
            utc(row["ts_ms"]),
            row["version"],
            str(EventId(row["partition"], row["epoch"], row["seq"])),
            index == 0 and row["version"] == in_force,
        )
        for index, row in enumerate(rows)
    ]


def rollback(version: str | None = None, /, *, as_json: JsonFlag = False) -> None:
    """Put an earlier economy in force again, while players play. Existing pools keep their stock.

    Without VERSION it is the one that was in force before the current one, so that a second rollback takes the first
    one back. Uses REDIS_URL and DATABASE_URL, else the servers of a running `croupier up`.

    Example: `croupier economy rollback`

    Parameters
    ----------
    version:
        An economy that was in force, by its 64 hexadecimal digits; `croupier economy history` lists them.
    """
    settings = operator_settings("REDIS_URL", "DATABASE_URL")
    before, after = asyncio.run(_rollback(settings, version))
    if as_json:
        result_json({"from": before, "to": after, "changed": before != after})
    elif before == after:
        result(f"version {after} is in force already: nothing changed")
    else:
        result(f"{before} -> {after}: version {after} is in force")


async def _rollback(settings: Settings, asked: str | None) -> tuple[str, str]:
    """The versions in force before and after."""
    async with casino(settings) as servers:
        in_force = await version_in_force(servers.transport)
        version = asked or await _version_before(settings, servers, in_force)
        form = await stored_form(servers.transport, version)
        # Under its stored name and in its stored form: made anew, both would differ if a release has added a setting.
        await put_in_force(*servers, from_canonical(form), version, form, in_place_of=in_force)
        return in_force, version


async def _version_before(settings: Settings, servers: Casino, in_force: str) -> str:
    """The last version in force that was not this one. Raises CannotRun where Postgres cannot say."""
    if not await drain(settings, give_up=lambda: False):
        raise CannotRun(
            "Postgres does not know of the last pushes yet: start `croupier sync`, or name the version"
        )
    version: str | None = await servers.connection.fetchval(_BEFORE, in_force)
    if version is None:
        raise CannotRun(f"no economy was in force before version {in_force}")
    return version
