"""What a model Valkey holds: its keys, and the effects of what was written, from which the keys can be made again."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

StreamId: TypeAlias = tuple[int, int]
Hash: TypeAlias = dict[bytes, bytes]
Command: TypeAlias = tuple[bytes, ...]


class SortedSet(dict[bytes, float]):
    """Scores by member."""


@dataclass
class Stream:
    """Entries in the order of their ids; the last id and the count outlive what is trimmed."""

    ids: list[StreamId] = field(default_factory=list)
    fields: list[list[bytes]] = field(default_factory=list)
    last_id: StreamId = (0, 0)
    added: int = 0

    def between(self, first: StreamId, last: StreamId) -> range:
        """The places of the entries from the one id to the other."""
        return range(bisect_left(self.ids, first), bisect_right(self.ids, last))


Value: TypeAlias = bytes | Hash | Stream | SortedSet
V = TypeVar("V", Hash, Stream, SortedSet)


class Status(bytes):
    """A reply such as OK."""


class CommandError(Exception):
    """An error reply; the text begins with its code."""


WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
Reply: TypeAlias = "int | bytes | list[Reply] | None"
OK = Status(b"OK")


class Store:
    """The keyspace. Commands that write append what they did to `effects`: commands that do the same again, whatever
    the time. `clock_ms` is Unix time."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.clock_ms = clock_ms
        self.keys: dict[bytes, Value] = {}
        self.expires_ms: dict[bytes, int] = {}
        self.effects: list[Command] = []

    def find(self, key: bytes) -> Value | None:
        """The value of a key that has not expired."""
        if key in self.expires_ms and self.expires_ms[key] <= self.clock_ms():
            self.drop(key)
            self.effects.append((b"DEL", key))
        return self.keys.get(key)

    def drop(self, key: bytes) -> bool:
        self.expires_ms.pop(key, None)
        return self.keys.pop(key, None) is not None

    def text(self, key: bytes) -> bytes | None:
        """The value of a string. Raises CommandError."""
        value = self.find(key)
        if value is not None and not isinstance(value, bytes):
            raise CommandError(WRONG_TYPE)
        return value

    def of_kind(self, key: bytes, kind: type[V]) -> V | None:
        """The value of a key of this kind. Raises CommandError."""
        value = self.find(key)
        if value is None:
            return None
        if type(value) is not kind:
            raise CommandError(WRONG_TYPE)
        return value

    def make(self, key: bytes, kind: type[V]) -> V:
        """The same, made where there is none."""
        value = self.of_kind(key, kind)
        if value is None:
            value = kind()
            self.keys[key] = value
        return value


def integer(text: bytes) -> int:
    """Raises CommandError."""
    try:
        return int(text)
    except ValueError:
        raise CommandError("ERR value is not an integer or out of range") from None


def options(words: Sequence[bytes], **sizes: int) -> dict[str, tuple[bytes, ...]]:
    """Options in any order, each with so many words behind it. Raises CommandError for another word."""
    found: dict[str, tuple[bytes, ...]] = {}
    at = 0
    while at < len(words):
        name = words[at].decode().upper()
        if name not in sizes:
            raise CommandError("ERR syntax error")
        found[name] = tuple(words[at + 1 : at + 1 + sizes[name]])
        if len(found[name]) < sizes[name]:
            raise CommandError("ERR syntax error")
        at += 1 + sizes[name]
    return found
