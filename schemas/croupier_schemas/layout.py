"""Fixed-layout binary records, declared once and read by Python and by Lua.

A record is a msgspec struct whose fields carry a `Field` in their annotation. `Layout` derives from it the format for
Python's `struct`, the format for Redis' Lua `struct` library, and the description that `croupier player show` prints.
All integers are unsigned and big-endian; the first byte of every record is its layout version.
"""

import struct
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

INTEGER_MAX = 2**53 - 1
"""Largest integer that Lua's numbers hold exactly."""

_WIDTHS = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True)
class Field:
    """How one value of a record is stored. `width` is in bytes; a `text` field is raw bytes of exactly that width."""

    width: int
    meaning: str
    text: bool = False
    durable: bool = True

    @property
    def python_format(self) -> str:
        return f"{self.width}s" if self.text else _WIDTHS[self.width]

    @property
    def lua_format(self) -> str:
        return f"c{self.width}" if self.text else f"I{self.width}"


def u8(meaning: str, *, durable: bool = True) -> Field:
    """An unsigned integer of 1 byte."""
    return Field(1, meaning, durable=durable)


def u16(meaning: str, *, durable: bool = True) -> Field:
    """An unsigned integer of 2 bytes."""
    return Field(2, meaning, durable=durable)


def u32(meaning: str) -> Field:
    """An unsigned integer of 4 bytes."""
    return Field(4, meaning)


def u64(meaning: str, *, durable: bool = True) -> Field:
    """An unsigned integer of 8 bytes, of which values up to `INTEGER_MAX` are used."""
    return Field(8, meaning, durable=durable)


def raw(width: int, meaning: str, *, durable: bool = True) -> Field:
    """Exactly `width` bytes."""
    return Field(width, meaning, text=True, durable=durable)


R = TypeVar("R", bound=msgspec.Struct)


class Layout(Generic[R]):
    """The binary form of the record type `R`: a version byte, the durable fields, then the volatile ones.

    Volatile fields never leave Redis: events, mirror and digests hold the first `durable_size` bytes only. What a
    record in Redis holds behind them, such as the log of a rate limit, is no part of the layout.
    """

    def __init__(self, name: str, record: type[R], version: int) -> None:
        self.name = name
        self.record = record
        self.version = version
        self.fields: dict[str, Field] = {}
        for field_name, hint in get_type_hints(record, include_extras=True).items():
            if get_origin(hint) is not Annotated:
                raise TypeError(f"{record.__name__}.{field_name} has no Field in its annotation")
            kind, *notes = get_args(hint)
            field = next(note for note in notes if isinstance(note, Field))
            if kind is not (bytes if field.text else int):
                raise TypeError(f"{record.__name__}.{field_name}: {kind} does not fit its Field")
            self.fields[field_name] = field
        durables = [field.durable for field in self.fields.values()]
        if durables != sorted(durables, reverse=True):
            raise TypeError(f"{record.__name__}: volatile fields must follow the durable ones")
        self._full = struct.Struct(">B" + "".join(f.python_format for f in self.fields.values()))
        self._durable = struct.Struct(
            ">B" + "".join(f.python_format for f in self.fields.values() if f.durable)
        )
        self.size = self._full.size
        self.durable_size = self._durable.size
        # Without the version, which is looked at before.
        self._values = struct.Struct(self._full.format.replace("B", "x", 1)).unpack_from
        self._durable_values = struct.Struct(self._durable.format.replace("B", "x", 1)).unpack_from
        self._volatile_zeros = tuple(
            bytes(field.width) if field.text else 0 for field in self.fields.values() if not field.durable
        )

    @property
    def initial(self) -> bytes:
        """The record whose every field is zero."""
        return bytes([self.version]).ljust(self.size, b"\0")

    def pack(self, record: R) -> bytes:
        """The whole record, volatile fields included."""
        return self._full.pack(self.version, *msgspec.structs.astuple(record))

    def pack_durable(self, record: R) -> bytes:
        """The part of the record that events and the mirror hold."""
        return self.pack(record)[: self.durable_size]

    def unpack(self, data: bytes, offset: int = 0) -> R:
        """Read a record at `offset`; a volatile tail that is missing reads as zeros.

        Raises ValueError when the data is of another layout version or too short.
        """
        if len(data) - offset < self.durable_size or data[offset] != self.version:
            raise ValueError(
                f"not a {self.name} record of layout {self.version}: {data[offset : offset + 8].hex()}..., "
                f"{len(data) - offset} bytes where at least {self.durable_size} are needed"
            )
        if len(data) - offset == self.durable_size:
            return self.record(*self._durable_values(data, offset), *self._volatile_zeros)
        if len(data) - offset < self.size:
            data, offset = data[offset:].ljust(self.size, b"\0"), 0
        return self.record(*self._values(data, offset))

    def lua_format(self, *, durable: bool | None = None) -> str:
        """Format string for Lua's `struct`, version byte excluded; of all, the durable or the volatile fields."""
        return "".join(
            field.lua_format for field in self.fields.values() if durable is None or field.durable is durable
        )
