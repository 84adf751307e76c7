"""What a process believes of a partition, and the scripts that change it: close, open, push an economy.

A view is (server identity, epoch, economy, schema) and the fence made from them. The outbox has the fence in its name,
so a command with a stale view names a stream that does not exist and changes nothing.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

import croupier_lua
from croupier.errors import CroupierError
from croupier.scripts import Script, Scripts
from croupier_schemas import keys
from croupier_schemas.economy import RARITIES, Economy
from croupier_schemas.events import SYSTEM, EventHeader, encode_header

FENCED_ATTEMPTS_MAX = 5
"""How often an operator's script is repeated under a new fence before it gives up."""

PARTITIONS = 1
"""Number of partitions. It stands in every head and in Postgres, so that a later change of it cannot go unnoticed."""


_STANDALONE = "standalone-"
_DETERMINISTIC = "deterministic-"


def new_installation(*, standalone: bool, deterministic: bool) -> str:
    """An id for a new installation. It says for good whether a Postgres keeps it, and what its seeds are made from."""
    return _STANDALONE * standalone + _DETERMINISTIC * deterministic + secrets.token_hex(16)


def is_standalone(installation: str) -> bool:
    """Whether no Postgres keeps it."""
    return installation.startswith(_STANDALONE)


def is_deterministic(installation: str) -> bool:
    """Whether its seeds are those of the deterministic mode, known to whoever knows the text."""
    return installation.removeprefix(_STANDALONE).startswith(_DETERMINISTIC)


class Redis(Protocol):
    """The part of the transport that is used here."""

    async def call(self, *args: bytes | str | int) -> object: ...

    async def run(
        self, script: Script, keys: Sequence[bytes | str], args: Sequence[bytes | str]
    ) -> object: ...


class PartitionError(Exception):
    """A partition cannot be opened or changed as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Head:
    """A partition's head as Redis holds it. `fence` is empty while the partition is closed."""

    epoch: int
    identity: str
    economy: str
    schema: int
    fence: str
    installation: str
    partitions: int


def fence(identity: str, epoch: int, economy: str, schema: int) -> str:
    """The fence of a view: 16 hex characters."""
    return hashlib.sha256(f"{identity}\n{epoch}\n{economy}\n{schema}".encode()).hexdigest()[:16]


async def read_head(redis: Redis, partition: int) -> Head | None:
    """The head, or None where Redis has none. Raises PartitionError when it belongs to other code than this."""
    names = ("epoch", "identity", "economy", "schema", "fence", "installation", "partitions")
    values = await redis.call("HMGET", keys.head(partition), *names)
    assert isinstance(values, list)
    if values[0] is None:
        return None
    epoch, identity, economy, schema, fence_, installation, partitions = (value.decode() for value in values)
    head = Head(int(epoch), identity, economy, int(schema), fence_, installation, int(partitions))
    if head.schema > croupier_lua.RULES:
        raise PartitionError(
            f"partition {partition} needs scripts of version {head.schema}, and this is version "
            f"{croupier_lua.RULES}: upgrade croupier"
        )
    if head.partitions != PARTITIONS:
        raise PartitionError(
            f"partition {partition} was made with {head.partitions} partitions, and this server has {PARTITIONS}"
        )
    return head


async def read_open_head(redis: Redis, partition: int) -> Head:
    """The head of a partition that is open. Raises CroupierError NOT_READY where it is closed, and PartitionError."""
    head = await read_head(redis, partition)
    if head is None or not head.fence:
        raise CroupierError("NOT_READY", "the partition is closed: start `croupier sync`", retry_after_s=1)
    return head


def system_header(event_type: str, economy: str, terms: object = None) -> bytes:
    """The header of an event that no player caused. `terms` is what was asked for, as the event's type has it."""
    return encode_header(
        EventHeader(
            event_type,
            SYSTEM,
            "",
            secrets.token_bytes(16),
            "",
            b"",
            bytes.fromhex(economy),
            croupier_lua.RULES,
            msgspec.Raw(msgspec.msgpack.encode(terms)),
        )
    )


async def close(redis: Redis, scripts: Scripts, partition: int, head: Head) -> bool:
    """Take the fence away; False when it has changed meanwhile. Closing a closed partition is fine."""
    places = [keys.head(partition), keys.outbox(partition, head.fence), keys.outbox_closed(partition)]
    script = scripts["partition.close"]
    answer = await redis.run(script, places, script.argv(head.fence))
    return answer == [b"OK"]


class Healed(NamedTuple):
    """What the opening of a healed partition needs from Postgres.

    `economy` is the version that is in force, empty for none. `cursor` is its last event: id and fields of the entry,
    with which the log begins anew; None where it has no event.
    """

    economy: str
    cursor: tuple[str, list[bytes]] | None


async def open_epoch(
    redis: Redis, scripts: Scripts, partition: int, *, identity: str, head: Head | None, epoch: int,
    installation: str, last_entry: str, healed: Healed | None = None,
) -> bool:  # fmt: skip
    """Begin `epoch` on a closed partition whose last stream entry is `last_entry` (empty: none).

    With `healed`, on one that the caller has marked with this epoch and healed; without, on one that nobody has marked.
    False when another opener was faster, or the stream or the mark has changed.
    """
    economy = healed.economy if healed else head.economy if head else ""
    schema = max(croupier_lua.RULES, head.schema if head else 0)
    name = fence(identity, epoch, economy, schema)
    mark = str(epoch) if healed else ""
    cursor_id, cursor = healed.cursor if healed and healed.cursor else ("", [])
    script = scripts["partition.open"]
    answer = await redis.run(
        script,
        [keys.head(partition), keys.outbox_closed(partition), keys.outbox(partition, name)],
        script.argv(
            last_entry, str(epoch), system_header("epoch.opened", economy),
            identity, economy, str(schema), name, installation, str(PARTITIONS), mark, cursor_id, *cursor,
        ),
    )  # fmt: skip
    return isinstance(answer, list) and answer[0] == b"OK"


async def begin_healing(redis: Redis, scripts: Scripts, partition: int, epoch: int) -> bool:
    """Mark a closed partition with the epoch that a healer has taken; False when it is open or a later one has it."""
    script = scripts["partition.heal"]
    return await redis.run(script, [keys.head(partition)], script.argv(epoch)) == [b"OK"]


async def is_being_healed(redis: Redis, partition: int) -> bool:
    """Whether a healer has marked the partition and not come to its end."""
    return bool(await redis.call("HGET", keys.head(partition), "healing"))


async def push_economy(
    redis: Redis, scripts: Scripts, partition: int, *, economy: Economy, version: str, canonical: bytes,
    in_place_of: str | None = None,
) -> bool:  # fmt: skip
    """Put an economy in force. Pools that do not exist yet are created; the others keep their stock.

    `in_place_of` is the version that must be in force until then, for a caller that has made its economy from that
    one. False when the economy is in force already. Raises CroupierError NOT_READY when the partition is closed, and
    PartitionError when another version is in force than `in_place_of`, or when it keeps changing under our hands.
    """
    stock = [
        (name, rarity, initial)
        for name, banner in economy.gacha.banners.items()
        for rarity in RARITIES[:3]
        if (initial := getattr(banner.stock, rarity)) is not None
    ]
    for _ in range(FENCED_ATTEMPTS_MAX):
        head = await read_open_head(redis, partition)
        if head.economy == version:
            return False
        if in_place_of not in (None, head.economy):
            raise PartitionError(
                f"version {head.economy} was put in force meanwhile; look at it, then try again"
            )
        name = fence(head.identity, head.epoch, version, head.schema)
        script = scripts["economy.push"]
        answer = await redis.run(
            script,
            [
                keys.head(partition),
                keys.outbox(partition, head.fence),
                keys.outbox(partition, name),
                keys.economy(partition, version),
                *(keys.pool(partition, banner) for banner, _, _ in stock),
            ],
            script.argv(
                str(head.epoch), system_header("economy.changed", version),
                version, canonical, name,
                *(part for _, rarity, initial in stock for part in (rarity, str(initial))),
            ),
        )  # fmt: skip
        if isinstance(answer, list) and answer[0] == b"OK":
            return True
    raise PartitionError(f"partition {partition} changed five times while the economy was pushed; try again")
