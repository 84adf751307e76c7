"""From bodies and query strings to request structs."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Generic, Never, TypeVar

import msgspec
from msgspec.structs import fields

from croupier.errors import CroupierError
from croupier_http.aliases import aliases
from croupier_http.packed import unpack
from croupier_http.validation import allowed_values, explain, invalid

Request = TypeVar("Request", bound=msgspec.Struct)

_INTEGER_DIGITS_MAX: Final = 40


# What msgspec reads more generously where everything is text: 1e2 as 100, 2020 as a time in seconds, null as nothing.
_INTEGER: Final = re.compile(r"-?[0-9]{1,16}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].{1,40}")


_REMEMBERED_MAX: Final = 256
_REMEMBERED_BYTES_MAX: Final = 64

_ONE_MEMBER: Final = b"\x81"
"""The first byte of a packed object with one member; with none it is less."""


def _shape(kind: object) -> re.Pattern[str] | None:
    """How a parameter of this type must look."""
    text = repr(kind)
    if "datetime" in text:
        return _TIME
    return _INTEGER if kind is int or "[int" in text else None


class _Infinite(float):
    """A number that no type holds, such as 1e400, and the text that it was."""

    text = ""

    @classmethod
    def of(cls, text: str) -> "_Infinite":
        number = cls("inf")
        number.text = text
        return number


class _OutOfRange(Exception):
    """A member of the body is a number that no type holds; the arguments are the member's name and the number."""


class Decoder(Generic[Request]):
    """Decodes one kind of request.

    A body that uses the names of the struct and is valid is decoded by msgspec straight into it. Only what fails there
    is looked at again, with aliases, and explained where it remains wrong.

    Players ask for the same few things again and again: what short msgpack means is remembered.

    `nested`: members hold structs, in which no name may stand twice either; then every body is looked at like that, as
    it is where a member is an object with any names.
    """

    def __init__(self, struct: type[Request], *, nested: bool = False) -> None:
        if not struct.__struct_config__.forbid_unknown_fields:
            raise TypeError(
                f"{struct.__name__} would ignore unknown fields; declare forbid_unknown_fields=True"
            )
        self.aliases = aliases(struct)
        self._struct = struct
        self._remembered: dict[bytes, Request] = {}
        self._nested = nested or any("dict[" in repr(field.type) for field in fields(struct))
        self._cannot_repeat = b"" if self._nested else _ONE_MEMBER
        self._decode = msgspec.json.Decoder(struct).decode
        self._decode_msgpack = msgspec.msgpack.Decoder(struct).decode
        self._allowed = allowed_values(struct)
        self._shapes = {
            field.encode_name: shape for field in fields(struct) if (shape := _shape(field.type)) is not None
        }
        self._names = tuple(name.encode() for name in struct.__struct_encode_fields__)
        self._quoted_names = tuple(b'"%b"' % name for name in self._names)
        # In JSON there are no such numbers, so that the types do not forbid them.
        self._floats = tuple(field.name for field in fields(struct) if "float" in repr(field.type))

    def body(self, body: bytes) -> Request:
        """Decode a body; an empty one counts as `{}`.

        Raises CroupierError MALFORMED_REQUEST, or VALIDATION_ERROR with details.
        """
        body = body or b"{}"
        if not self._may_repeat_a_name(body):
            try:
                return self._decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # explained below
        try:
            document = _parse(body)
        except _OutOfRange as error:
            name = self.aliases.get(error.args[0], error.args[0])
            raise invalid(name, "number out of range", error.args[1], self._allowed.get(name)) from None
        return self.value(document)

    def msgpack(self, packed: bytes) -> Request:
        """Decode msgpack with what a body would hold, in the types of JSON. Raises CroupierError likewise."""
        remembered = self._remembered
        if (request := remembered.get(packed)) is None:
            request = self._decode_packed(packed)
            if len(packed) <= _REMEMBERED_BYTES_MAX:
                if len(remembered) >= _REMEMBERED_MAX:
                    del remembered[next(iter(remembered))]
                remembered[packed] = request
        return request

    def _decode_packed(self, packed: bytes) -> Request:
        if packed[:1] <= self._cannot_repeat or not self._may_repeat_a_packed_name(packed):
            try:
                request = self._decode_msgpack(packed)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass  # explained below
            else:
                if not self._floats or all(_is_number(getattr(request, name)) for name in self._floats):
                    return request
        return self.value(unpack(packed))

    def value(self, document: object) -> Request:
        """Convert what a body holds, as it is or inside of it. Raises CroupierError VALIDATION_ERROR."""
        return self._convert(document, strict=True)

    def query(self, parameters: Iterable[tuple[str, str]]) -> Request:
        """Convert the parameters of a query, all of them text. Raises CroupierError VALIDATION_ERROR."""
        pairs = list(parameters)
        _refuse_repeated(name for name, _ in pairs)
        for name, text in pairs:
            shape = self._shapes.get(name)
            if shape is not None and not shape.fullmatch(text):
                raise invalid(name, "not of the right form", text, self._allowed.get(name))
        return self._convert(dict(pairs), strict=False)

    def _may_repeat_a_packed_name(self, packed: bytes) -> bool:
        return self._nested or any(packed.count(name) > 1 for name in self._names)

    def _may_repeat_a_name(self, body: bytes) -> bool:
        """Whether a name may stand there twice, of which msgspec would take the last and say nothing."""
        for name in self._quoted_names:
            if body.count(name) > 1:
                return True
        return self._nested or b"\\" in body

    def _convert(self, document: object, *, strict: bool) -> Request:
        if isinstance(document, dict):
            document = self._with_names(document)
        try:
            return msgspec.convert(document, self._struct, strict=strict)
        except msgspec.ValidationError as error:
            raise explain(error, document, self._allowed) from None

    def _with_names(self, document: dict[str, object]) -> dict[str, object]:
        """The document with names in place of aliases."""
        named: dict[str, object] = {}
        for key, value in document.items():
            name = self.aliases.get(key, key)
            if name in named:
                raise invalid(name, f"given more than once, also as `{key}`", value, self._allowed[name])
            named[name] = value
        return named


def _refuse_repeated(names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise invalid(name, f"given {count} times", None)


def _parse(body: bytes) -> object:
    """JSON as RFC 8259 has it: no NaN, no repeated names, no half surrogate pairs, nothing after the end."""
    try:
        document: object = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_members,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_float,
        )
        json.dumps(document, ensure_ascii=False).encode("utf-8")  # fails for half a surrogate pair
    except (ValueError, RecursionError):
        raise CroupierError("MALFORMED_REQUEST", "The body is not well-formed JSON.") from None
    return document.text if isinstance(document, _Infinite) else document


def _members(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    _refuse_repeated(name for name, _ in pairs)
    for name, value in pairs:
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, _Infinite):
                raise _OutOfRange(name, number.text)
    return dict(pairs)


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _integer(text: str) -> int | float:
    """Python makes integers of any length; those that no field takes become floats here, and thereby a wrong type."""
    return int(text) if len(text) <= _INTEGER_DIGITS_MAX else _float(text)


def _float(text: str) -> float:
    number = float(text)
    return _Infinite.of(text) if math.isinf(number) else number


def _is_number(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
