"""The economy: read from a file, checked, and named by the hash of its canonical form.

An economy written in another way (order of keys, defaults left out, TOML or JSON, comments) has the same
canonical form and so the same version. The order of a rarity's items is part of the economy, because it
decides which roll gives which item.
"""

import hashlib
import json
import tomllib
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Final, Literal, Never

import msgspec

from croupier.economy.check import DOCUMENT, Problem, find_problems
from croupier_schemas.economy import Economy

Format = Literal["toml", "json"]

DOCUMENT_BYTES_MAX: Final = 4 * 1024 * 1024
"""Largest economy document that is read: several times what 64 banners full of items need."""

_DEFAULT_FILE: Final = "default.toml"


class EconomyError(ValueError):
    """An economy that cannot be used, for one or more `problems`. Its text is one line for each of them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load_economy(path: Path | None = None) -> Economy:
    """The economy of a `.toml` or `.json` file; without a path, the one that comes with Croupier.

    Raises:
        EconomyError: the file cannot be read, is neither format, or is no sound economy.
    """
    if path is None:
        return parse_economy(resources.files("croupier.economy").joinpath(_DEFAULT_FILE).read_bytes(), "toml")
    match path.suffix:
        case ".toml":
            return parse_economy(_read(path), "toml")
        case ".json":
            return parse_economy(_read(path), "json")
    raise _unusable(f"the file name {path.name!a}", "a name that ends in .toml or .json")


def parse_economy(data: bytes, format: Format) -> Economy:
    """The economy that a document of this format describes, with its defaults filled in.

    Raises:
        EconomyError: with every problem found; a document that is not well-formed has only that one.
    """
    if len(data) > DOCUMENT_BYTES_MAX:
        raise _unusable(f"{len(data):,} bytes", f"at most {DOCUMENT_BYTES_MAX:,} bytes")
    document = _parse(data, format)
    if problems := find_problems(document):
        raise EconomyError(problems)
    return msgspec.convert(document, Economy)


def canonical(economy: Economy) -> bytes:
    """JSON with sorted keys, no spaces, defaults and nulls written out, in UTF-8."""
    return msgspec.json.encode(economy, order="sorted")


def version(economy: Economy) -> str:
    """SHA-256 of the canonical form, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(canonical(economy)).hexdigest()


def from_canonical(data: bytes) -> Economy:
    """The economy of a canonical form that was stored earlier.

    Types and bounds are checked again; the rules across fields held when it was pushed and must not make a
    past version unreadable when a later release has stricter ones. For the same reason, name a stored
    economy by the version that is stored beside it: once a release has added a setting with a default,
    `version` of the result differs from it.

    Raises:
        EconomyError: the bytes are not a canonical form.
    """
    try:
        return msgspec.json.decode(data, type=Economy)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(str(error), "the canonical form of an economy") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        raise _unusable(f"{str(path)!a} cannot be read: {error.strerror}", "a readable file") from error


def _parse(data: bytes, format: Format) -> object:
    try:
        text = data.decode("utf-8")
        if format == "toml":
            return tomllib.loads(text)
        parsed: object = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
        return parsed
    except RecursionError as error:
        raise _unusable("nested too deeply", f"well-formed {format.upper()}") from error
    except ValueError as error:
        raise _unusable(str(error), f"well-formed {format.upper()}") from error


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    counts = Counter(key for key, _ in pairs)
    repeated = [ascii(key) for key, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(f"duplicate keys: {', '.join(repeated)}")
    return dict(pairs)


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _unusable(found: str, allowed: str) -> EconomyError:
    return EconomyError([Problem(path=DOCUMENT, found=found, allowed=allowed)])
