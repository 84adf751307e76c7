"""`croupier economy diff`."""

import asyncio
import re
from pathlib import Path
from typing import Any

from croupier.economy.diff import Difference
from croupier.economy.diff import diff as differences
from croupier_cli.economies import stored_economy, usable_economy, version_in_force
from croupier_cli.operation import operator_settings
from croupier_cli.output import JsonFlag, note, result, result_json
from croupier_cli.servers import redis
from croupier_schemas.economy import Economy

_VERSION = re.compile(r"[0-9a-f]{64}")


def diff(a: str, b: str | None = None, /, *, as_json: JsonFlag = False) -> None:
    """Print every setting that differs between two economies, one a line: its path, what it is in A, what in B.

    With A alone it is what pushing A would change: first what is in force, then what is in A. The exit code is 0
    whether or not anything differs. For a version, and with A alone, uses REDIS_URL, else the servers of a running
    `croupier up`.

    Example: `croupier economy diff economy.toml`

    Parameters
    ----------
    a:
        A file, or an economy that is or was in force, by the 64 hexadecimal digits of its version.
    b:
        The same.
    """
    old, new = asyncio.run(_read(None if b is None else a, a if b is None else b))
    found = differences(old, new)
    if as_json:
        result_json({"differences": found})
    elif found:
        result("\n".join(map(_line, found)))
    else:
        note("no setting differs")


async def _read(*names: str | None) -> list[Economy]:
    """Economies by file or version; None is the one in force."""
    files = {name: usable_economy(Path(name)) for name in names if name and not _VERSION.fullmatch(name)}
    if len(files) == len(set(names)):
        return [files[name] for name in names if name is not None]
    settings = operator_settings("REDIS_URL")
    async with redis(settings.redis_url) as transport:
        return [
            files[name]
            if name in files
            else await stored_economy(transport, name or await version_in_force(transport))
            for name in names
        ]


def _line(difference: Difference) -> str:
    return f"{difference.path}: {_shown(difference.old)} -> {_shown(difference.new)}"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case str():
            return value
    return " ".join(value)
