"""Msgpack as clients send it: only what JSON could say too."""

import math
from typing import Final

import msgspec

from croupier.errors import CroupierError

_MAP_SIZES: Final = {0xDE: 2, 0xDF: 4}
"""Bytes of a map's length, by the first byte of its head; a short map has its length in the first byte itself."""
_ARRAYS: Final = (0xDC, 0xDD)
"""First bytes of arrays that are not short."""

_members_of_map = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_members_of_array = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def unpack(packed: bytes) -> object:
    """The document, in the types that JSON has.

    Raises CroupierError MALFORMED_REQUEST for what is not msgpack, for a name that stands twice in an object, and for
    what JSON has no word for: bytes, times, extensions, NaN, infinities, keys that are not text.
    """
    try:
        document: object = msgspec.msgpack.decode(packed)
        _require_json(document)
        unique = _names_are_unique(memoryview(packed))
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        raise CroupierError(
            "MALFORMED_REQUEST", "The arguments are not msgpack with the types of JSON."
        ) from None
    if not unique:
        raise CroupierError("MALFORMED_REQUEST", "A name stands twice in the arguments.")
    return document


def _names_are_unique(packed: memoryview) -> bool:
    """Whether every map in it has as many members as it says, which of two with one name keeps the last."""
    if packed[0] & 0xF0 == 0x80 or packed[0] in _MAP_SIZES:
        members = _members_of_map(packed)
        return len(members) == _map_length(packed) and all(
            _names_are_unique(memoryview(each)) for each in members.values()
        )
    if packed[0] & 0xF0 == 0x90 or packed[0] in _ARRAYS:
        return all(_names_are_unique(memoryview(each)) for each in _members_of_array(packed))
    return True


def _map_length(packed: memoryview) -> int:
    """The number of members that a packed map says it has."""
    size = _MAP_SIZES.get(packed[0], 0)
    return int.from_bytes(packed[1 : 1 + size], "big") if size else packed[0] & 0x0F


def _require_json(value: object) -> None:
    """Raise ValueError for what is none of JSON's values."""
    if isinstance(value, dict):
        for name, member in value.items():
            if not isinstance(name, str):
                raise ValueError("a key that is not text")
            _require_json(member)
    elif isinstance(value, list):
        for member in value:
            _require_json(member)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("not a number")
    elif value is not None and not isinstance(value, str | int | bool):
        raise ValueError("a type that JSON does not have")
