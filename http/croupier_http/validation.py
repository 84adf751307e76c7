"""What a field allows, and what is wrong with a request: the `details` of VALIDATION_ERROR."""

import json
import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import inspect

from croupier.errors import CroupierError

_RECEIVED_CHARACTERS_MAX: Final = 64
_MESSAGE_CHARACTERS_MAX: Final = 200
_PATH: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_NAMED: Final = re.compile(r"^Object (?:contains unknown|missing required) field `(?P<name>.*)`$", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")

Allowed = str | list[object]


def allowed_values(struct: type[msgspec.Struct]) -> dict[str, Allowed]:
    """For each field what it takes: a list of values where there are few, else a description."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: describe(field.type) for field in info.fields}


def describe(info: inspect.Type) -> Allowed:
    """What a type takes, for people to read."""
    match info:
        case inspect.Metadata(type=inner):
            return describe(inner)
        case inspect.LiteralType(values=values):
            return list(values)
        case inspect.UnionType(types=types):
            return " or ".join(_text(each) for each in sorted(types, key=_is_null))
        case _:
            return _text(info)


def _is_null(info: inspect.Type) -> bool:
    return isinstance(info, inspect.NoneType)


def _text(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _text(inner)
        case inspect.NoneType():
            return "null"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=low, le=high):
            return "an integer" + _range(low, high)
        case inspect.FloatType(ge=low, le=high):
            return "a number" + _range(low, high)
        case inspect.StrType(pattern=str(pattern)):
            return "a string that matches " + pattern.replace(r"\Z", "$")
        case inspect.StrType(min_length=low, max_length=high):
            return "a string" + (_range(low or 0, high) + " characters" if high is not None else "")
        case inspect.DateTimeType():
            return "a date and time as in RFC 3339"
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(str, values))
        case inspect.ListType(item_type=item):
            return f"an array, each member {_text(item)}"
        case _:
            return "an object"


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" of at least {low}" if low is not None else f" of at most {high}" if high is not None else ""


def invalid(field: str, what: str, received: object, allowed: Allowed | None = None) -> CroupierError:
    """VALIDATION_ERROR about one field. What the client sent is repeated only as far as it helps to find it."""
    field = _short(field)
    message = _short(f"{field}: {what}" if field else what, _MESSAGE_CHARACTERS_MAX)
    details = {"field": field, "allowed": allowed, "received": shortened(received)}
    return CroupierError("VALIDATION_ERROR", message, details=details)


def explain(
    error: msgspec.ValidationError, document: object, allowed: Mapping[str, Allowed]
) -> CroupierError:
    """VALIDATION_ERROR from msgspec's error about `document`."""
    match = _PATH.match(str(error))
    assert match is not None
    what, path = match["what"], _STEP.findall(match["path"] or "")
    if named := _NAMED.match(what):
        path.append((named["name"], ""))
    field = "".join(f".{name}" if name else f"[{index}]" for name, index in path).removeprefix(".")
    top_level = path[0][0] if path else ""
    choices = allowed.get(top_level, [*sorted(allowed)]) if path else "an object"
    return invalid(field, what, _value_at(document, path), choices)


def _value_at(document: object, path: list[tuple[str, str]]) -> object:
    for name, index in path:
        if name and isinstance(document, Mapping):
            document = document.get(name)
        elif index and isinstance(document, list) and int(index) < len(document):
            document = document[int(index)]
        else:
            return None
    return document


def shortened(value: object) -> object:
    """A value as errors repeat it: itself where it is short, else the beginning of its text."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    return _short(value if isinstance(value, str) else json.dumps(value))


def _short(text: str, characters_max: int = _RECEIVED_CHARACTERS_MAX) -> str:
    """Also readable where it came from a header that is not UTF-8."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= characters_max else text[:characters_max] + "…"
