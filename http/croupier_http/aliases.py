"""Other names under which members of a request are accepted: camelCase for all, and the ones listed here."""

from typing import Final

import msgspec

from croupier_schemas.gacha import GachaPull

SPECIAL: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    GachaPull: {"pullCount": "count"},
}


def aliases(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Alias to name, for one request."""
    names = {_camel_case(name): name for name in struct.__struct_encode_fields__}
    names |= SPECIAL.get(struct, {})
    return {alias: name for alias, name in names.items() if alias != name}


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
