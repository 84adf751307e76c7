"""`croupier backup` and `croupier restore`."""

import asyncio
from pathlib import Path
from typing import Annotated

import asyncpg
import msgspec
from cyclopts import Parameter

from croupier.partition import PARTITIONS, read_head
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.errors import CannotRun
from croupier_cli.exit_codes import CHECK_FAILED, DONE
from croupier_cli.operation import operator_settings
from croupier_cli.output import JsonFlag, result, result_json
from croupier_cli.progress import showing_rate
from croupier_cli.servers import postgres, redis
from croupier_sync.backup import Manifest, back_up, load, read_backup, read_cursors
from croupier_sync.installation import Installation, check_installation
from croupier_sync.limits import Limits
from croupier_sync.migrations import check
from croupier_sync.restore import Restored, require_within
from croupier_sync.restore import restore as restore_partition
from croupier_sync.server import Server


def backup(file: Path, /, *, as_json: JsonFlag = False) -> None:
    """Write all that Postgres holds, as of one moment, to a new file. Players may play meanwhile.

    Uses DATABASE_URL, else the Postgres of a running `croupier up`. The master keys are not in it: keep `secrets.env`,
    in another place.

    Example: `croupier backup casino.backup`

    Parameters
    ----------
    file:
        The file, which must not exist yet.
    """
    settings = operator_settings("DATABASE_URL")
    try:
        manifest = asyncio.run(_back_up(settings, file))
        size = file.stat().st_size
    except OSError as error:
        raise CannotRun(f"{file} cannot be written: {error.strerror or error}") from error
    if as_json:
        result_json({"file": str(file), "bytes": size, **msgspec.to_builtins(manifest)})
    else:
        result(f"{file}: {manifest.rows:,} rows of {len(manifest.tables)} tables, {size:,} bytes")


def restore(
    *, source: Annotated[Path | None, Parameter(name="--from")] = None, as_json: JsonFlag = False
) -> int:
    """Make Redis anew from Postgres, and with --from first Postgres from a backup. Exit code 1 if they then differ.

    No sync daemon may run. Uses REDIS_URL and DATABASE_URL, else the servers of a running `croupier up`. Refuses, and
    changes nothing, where Redis has events that Postgres, or with --from the backup, lacks, or belongs to another
    installation; with --from where the file is damaged, or Postgres has more than the tables of `croupier migrate`.

    Example: `croupier restore --from casino.backup`

    Parameters
    ----------
    source:
        A file that `croupier backup` wrote.
    """
    settings = operator_settings("REDIS_URL", "DATABASE_URL")
    manifest = _read(source) if source is not None else None
    restored = asyncio.run(_restore(settings, source, manifest))
    if as_json:
        result_json({"partitions": [_described(number, each) for number, each in enumerate(restored)]})
    else:
        for number, each in enumerate(restored):
            written = each.rebuilt
            result(
                f"partition {number}: {written.keys:,} keys, {written.bytes:,} bytes, {written.seconds:.1f} s, "
                f"digest {written.digest}; {_COMPARED[each.redis]}"
            )
            for difference in each.differences:
                result(difference)
    return CHECK_FAILED if any(each.redis == "differs" for each in restored) else DONE


_COMPARED = {
    "equal": "Redis holds the same",
    "differs": "Redis holds something else",
    "moving": "Redis was not compared, since players play already",
}


async def _back_up(settings: Settings, file: Path) -> Manifest:
    async with postgres(settings.database_url) as connection:
        with showing_rate("tables") as show:
            return await back_up(
                connection, file, lambda what, done, total: show(f"copying {what}", done, total)
            )


def _read(source: Path) -> Manifest:
    try:
        with showing_rate("bytes") as show:
            return read_backup(source, show)
    except OSError as error:
        raise CannotRun(f"{source} cannot be read: {error.strerror or error}") from error


async def _restore(settings: Settings, source: Path | None, manifest: Manifest | None) -> list[Restored]:
    async with redis(settings.redis_url) as transport, postgres(settings.database_url) as connection:
        await check(connection)
        if source is not None and manifest is not None:
            await _load(transport, connection, source, manifest)
        await check_installation(transport, connection)
        server, limits = Server(transport), Limits(kept_s=settings.idempotency_ttl_seconds)
        with showing_rate("rows") as show:
            return [
                await restore_partition(
                    server, connection, partition, lambda done, total: show("restoring", done, total), limits
                )
                for partition in range(PARTITIONS)
            ]


async def _load(
    transport: Transport, connection: asyncpg.Connection, source: Path, manifest: Manifest
) -> None:
    """Fill Postgres, unless this Redis belongs to another installation than the backup, or has events beyond it."""
    cursors = read_cursors(source, manifest)
    for partition in range(PARTITIONS):
        Installation(manifest.installation).require(partition, await read_head(transport, partition))
        await require_within(Server(transport), partition, cursors[partition])
    with showing_rate("tables") as show:
        await load(connection, source, manifest, show)


def _described(number: int, restored: Restored) -> dict[str, object]:
    return {
        "partition": number,
        **restored.rebuilt._asdict(),
        "redis": restored.redis,
        "differences": restored.differences,
    }
