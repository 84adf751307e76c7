"""The state that a log leaves: its after-images, each with the event that wrote it."""

import contextlib
import struct
from collections.abc import Iterator

from croupier_schemas import keys
from croupier_schemas.events import Event, EventId
from croupier_schemas.records import PLAYER, Player

_STAMP = struct.Struct(">QQ")


class State:
    """The durable keys of a partition, as far as the log has been read.

    Each value is kept in one piece with the id of its event: of a million players that saves some hundred megabytes.
    """

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._strings: dict[str, bytes] = {}
        self._hashes: dict[str, dict[str, bytes]] = {}
        self.forgotten = False

    def forget(self) -> None:
        """Events are missing: any key may have changed, and none is known until an event writes it."""
        self._strings.clear()
        self._hashes.clear()
        self.forgotten = True

    def knows(self, key: str) -> bool:
        """Whether what is held of a key that is no hash is all that was ever written to it."""
        return not self.forgotten or key in self._strings

    def string(self, key: str) -> bytes | None:
        """The value of a key that is no hash."""
        stamped = self._strings.get(key)
        return stamped[: -_STAMP.size] if stamped is not None else None

    def field(self, key: str, field: str) -> bytes | None:
        """The value of a field."""
        stamped = self._hashes.get(key, {}).get(field)
        return stamped[: -_STAMP.size] if stamped is not None else None

    def play(self, event: Event) -> None:
        """Take over the after-images of the next event."""
        stamp = _STAMP.pack(event.id.epoch, event.id.seq)
        for change in event.changes:
            if change.value is None:
                self._strings.pop(change.key, None)
                self._hashes.pop(change.key, None)
            elif change.field:
                self._hashes.setdefault(change.key, {})[change.field] = change.value + stamp
            else:
                self._strings[change.key] = change.value + stamp

    def players(self) -> Iterator[tuple[int, Player]]:
        """The players by their ids. One whose record cannot be read is left out."""
        prefix = keys.player(self._partition, 0)[:-1]
        for key, stamped in self._strings.items():
            if key.startswith(prefix):
                with contextlib.suppress(ValueError):
                    yield int(key.removeprefix(prefix)), PLAYER.unpack(stamped[: -_STAMP.size])

    def take(self, key: str, field: str) -> tuple[bytes, EventId] | None:
        """Remove a value, and return it with the event that wrote it."""
        stamped = self._hashes.get(key, {}).pop(field, None) if field else self._strings.pop(key, None)
        return self._split(stamped) if stamped is not None else None

    def rest(self) -> Iterator[tuple[str, str, EventId]]:
        """What has not been taken: key, field and event."""
        for key, stamped in self._strings.items():
            yield key, "", self._split(stamped)[1]
        for key, fields in self._hashes.items():
            for field, stamped in fields.items():
                yield key, field, self._split(stamped)[1]

    def _split(self, stamped: bytes) -> tuple[bytes, EventId]:
        epoch, seq = _STAMP.unpack(stamped[-_STAMP.size :])
        return stamped[: -_STAMP.size], EventId(self._partition, epoch, seq)
