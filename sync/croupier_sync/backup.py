"""Backup of Postgres: every table as of one moment, in one file that proves itself whole before anything is restored.

The file is a zip archive: for each table the output of `COPY ... TO STDOUT (FORMAT binary)`, then `manifest.json` with
columns, rows and SHA-256 of each; its comment is the SHA-256 of all that stands before it. No secrets are in the file:
server seeds come from the master keys, which lie elsewhere.
"""

import datetime
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import asyncpg
import msgspec

from croupier_sync.errors import SyncError
from croupier_sync.installation import read_installation
from croupier_sync.migrations import check
from croupier_sync.position import Cursor

FORMAT: Final = 1
EPOCHS_SKIPPED: Final = 1_000
"""What a restored Postgres leaves out. Epochs begun after the backup was made are not to be begun again: players have
seen events and nonces of them. Each start of Redis is one epoch."""

_MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1 << 20
_SEAL_SIZE: Final = 64
_TIMEOUT_S: Final = 3_600.0
_COPY_SIGNATURE_SIZE: Final = 11
# Which migrations a database has is no content of it.
_MIGRATIONS: Final = "schema_migrations"

# In the order in which they can be filled again: those that refer to others come after those.
_TABLES = """
SELECT relname AS name,
  (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns
FROM pg_class c WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
ORDER BY EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'), relname
"""
_APPLIED = "SELECT name, checksum FROM schema_migrations ORDER BY name"
_USED = """
SELECT EXISTS (SELECT FROM events) OR EXISTS (SELECT FROM mirror)
  OR EXISTS (SELECT FROM partitions WHERE epoch IS NOT NULL OR taken_epoch > 0)
"""
_NUMBERED = """
SELECT table_name, column_name FROM information_schema.columns
WHERE is_identity = 'YES' AND table_schema = current_schema()
"""
_SKIP_EPOCHS = "UPDATE partitions SET taken_epoch = taken_epoch + $1, taken_identity = ''"

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""


class BackupError(SyncError):
    """A backup cannot be made, is damaged, or does not fit this Postgres."""


class Table(msgspec.Struct, frozen=True):
    """A member of the archive. `bytes` and `sha256` are of its content, not compressed."""

    name: str
    columns: list[str]
    rows: int
    bytes: int
    sha256: str

    @property
    def member(self) -> str:
        return f"{self.name}.copy"


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds. `migrations` are names and checksums of the files that made its tables."""

    format: int
    created_at: datetime.datetime
    postgres: str
    installation: str
    migrations: list[tuple[str, str]]
    tables: list[Table]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """Bytes of all tables, not compressed."""
        return sum(table.bytes for table in self.tables)


async def back_up(connection: asyncpg.Connection, file: Path, progress: Progress | None = None) -> Manifest:
    """Write all tables, as of one moment, to a new file, which appears under its name when it is whole and on disk.

    `progress` is told tables. Raises BackupError where the file exists, OSError, MigrationError and asyncpg's errors.
    """
    await check(connection)
    installation = await read_installation(connection)
    with _becoming(file) as unfinished:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = [row for row in await connection.fetch(_TABLES) if row["name"] != _MIGRATIONS]
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                tables = []
                for number, row in enumerate(found):
                    if progress is not None:
                        progress(row["name"], number, len(found))
                    tables.append(await _copy_out(connection, archive, row["name"], row["columns"]))
                manifest = Manifest(
                    FORMAT,
                    datetime.datetime.now(datetime.UTC),
                    ".".join(map(str, connection.get_server_version()[:2])),
                    installation.id,
                    [(row["name"], row["checksum"]) for row in await connection.fetch(_APPLIED)],
                    tables,
                )
                archive.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
                archive.comment = bytes(_SEAL_SIZE)
        seal(unfinished)
    return manifest


async def _copy_out(
    connection: asyncpg.Connection, archive: zipfile.ZipFile, name: str, columns: list[str]
) -> Table:
    digest, size = sha256(), 0
    with archive.open(f"{name}.copy", "w", force_zip64=True) as member:

        async def write(data: bytes) -> None:
            nonlocal size
            size += len(data)
            digest.update(data)
            member.write(data)

        status = await connection.copy_from_table(
            name, columns=columns, output=write, format="binary", timeout=_TIMEOUT_S
        )
    return Table(name, columns, int(status.split()[-1]), size, digest.hexdigest())


@contextmanager
def _becoming(file: Path) -> Iterator[Path]:
    """A file beside this one, readable for its owner only, that takes its name at the end of the block, or goes."""
    if file.exists():
        raise BackupError(f"{file} exists already")
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        os.close(handle)
        yield Path(name)
        with open(name, "rb") as written:
            os.fsync(written.fileno())
        os.replace(name, file)
        directory = os.open(file.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    finally:
        Path(name).unlink(missing_ok=True)


def read_backup(file: Path, progress: Progress | None = None) -> Manifest:
    """Read a backup to its end and compare all of it with its manifest. `progress` is told bytes.

    Raises BackupError where it is damaged, is none, or was made by another release, and OSError.
    """
    _require_seal(file, progress)
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
            if manifest.format != FORMAT:
                raise BackupError(f"{file} has format {manifest.format}, and this release reads {FORMAT}")
            names = {table.member for table in manifest.tables} | {_MANIFEST}
            if sorted(archive.namelist()) != sorted(names):
                raise BackupError(f"{file} is damaged: it does not hold what its manifest names")
            done = 0
            for table in manifest.tables:
                done = _check_member(file, archive, table, done, manifest.bytes, progress)
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError, NotImplementedError, zlib.error) as error:
        raise BackupError(f"{file} is damaged, or no backup: {error}") from error
    return manifest


def seal(file: Path) -> None:
    """Put the SHA-256 of all the file but its last 64 bytes, in hexadecimal, in their place."""
    with file.open("r+b") as archive:
        digest = _digest_before_seal(archive, file.stat().st_size, None)
        archive.seek(-_SEAL_SIZE, os.SEEK_END)
        archive.write(digest.encode())


def _require_seal(file: Path, progress: Progress | None) -> None:
    size = file.stat().st_size
    with file.open("rb") as archive:
        if size < _SEAL_SIZE or _digest_before_seal(archive, size, progress).encode() != archive.read():
            raise BackupError(f"{file} is damaged, or no backup")


def _digest_before_seal(archive: BinaryIO, size: int, progress: Progress | None) -> str:
    digest, left = sha256(), size - _SEAL_SIZE
    while left and (data := archive.read(min(_CHUNK, left))):
        digest.update(data)
        left -= len(data)
        if progress is not None:
            progress("reading", size - left, size)
    return digest.hexdigest()


def _check_member(
    file: Path, archive: zipfile.ZipFile, table: Table, done: int, total: int, progress: Progress | None
) -> int:
    digest, size = sha256(), 0
    with archive.open(table.member) as member:
        while data := member.read(_CHUNK):
            digest.update(data)
            size += len(data)
            if progress is not None:
                progress(f"checking {table.name}", done + size, total)
    if (size, digest.hexdigest()) != (table.bytes, table.sha256):
        raise BackupError(f"{file} is damaged: table {table.name} is not what its manifest says")
    return done + size


def read_cursors(file: Path, manifest: Manifest) -> dict[int, Cursor | None]:
    """Where each partition's log ends in a backup that `read_backup` has read."""
    (table,) = (each for each in manifest.tables if each.name == "partitions")
    with zipfile.ZipFile(file) as archive:
        rows = _copied(archive.read(table.member))
    return dict(_cursor(dict(zip(table.columns, fields, strict=True))) for fields in rows)


def _cursor(row: Mapping[str, bytes | None]) -> tuple[int, Cursor | None]:
    """A partition, and its cursor."""
    partition, epoch, seq, ts_ms = (
        int.from_bytes(row[name] or b"") for name in ("partition", "epoch", "seq", "ts_ms")
    )
    return partition, None if row["epoch"] is None else Cursor(epoch, seq, row["op_id"] or b"", ts_ms)


def _copied(data: bytes) -> Iterator[list[bytes | None]]:
    """The fields of each row of a binary COPY: see "Binary Format" in PostgreSQL's reference of COPY."""
    stream = io.BytesIO(data)
    stream.seek(_COPY_SIGNATURE_SIZE + 4)  # flags
    stream.seek(int.from_bytes(stream.read(4)), os.SEEK_CUR)  # an extension of the header
    while (count := int.from_bytes(stream.read(2), signed=True)) >= 0:
        sizes = (int.from_bytes(stream.read(4), signed=True) for _ in range(count))
        yield [stream.read(size) if size >= 0 else None for size in sizes]


async def load(
    connection: asyncpg.Connection, file: Path, manifest: Manifest, progress: Progress | None = None
) -> None:
    """Fill a migrated Postgres that was never used with a backup that `read_backup` has read, all of it or nothing.

    It becomes the installation of the backup. Epochs go on `EPOCHS_SKIPPED` later. `progress` is told tables.

    Raises BackupError where Postgres has events, or tables of other migrations; MigrationError and asyncpg's errors.
    """
    await check(connection)
    if [tuple(row) for row in await connection.fetch(_APPLIED)] != manifest.migrations:
        last = manifest.migrations[-1][0] if manifest.migrations else "none"
        raise BackupError(
            f"{file} was made with migrations up to {last}, and this Postgres has others: restore it with the release "
            "that made it, and upgrade then"
        )
    async with connection.transaction():
        names = ", ".join(f'"{table.name}"' for table in manifest.tables)
        await connection.execute(f"LOCK TABLE {names}", timeout=_TIMEOUT_S)
        if await connection.fetchval(_USED):
            raise BackupError(
                "this Postgres has been used: a backup is restored into one that was only migrated"
            )
        await connection.execute(f"TRUNCATE {names}")
        with zipfile.ZipFile(file) as archive:
            for number, table in enumerate(manifest.tables):
                if progress is not None:
                    progress(f"loading {table.name}", number, len(manifest.tables))
                with archive.open(table.member) as member:
                    status = await connection.copy_to_table(
                        table.name, columns=table.columns, source=member, format="binary", timeout=_TIMEOUT_S
                    )
                if int(status.split()[-1]) != table.rows:
                    raise BackupError(f"{file}: table {table.name} has other rows than its manifest says")
        await connection.execute(_SKIP_EPOCHS, EPOCHS_SKIPPED)
        for table, column in await connection.fetch(_NUMBERED):
            # COPY brings numbers and leaves the counter that gives new ones where it was.
            await connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"
            )
