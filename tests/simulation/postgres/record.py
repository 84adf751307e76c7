"""Rows as asyncpg hands them out: values by name and by position."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any


class Record:
    """A row like `asyncpg.Record`, which cannot be made in Python."""

    __slots__ = ("_row", "_values")

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row
        self._values = tuple(row.values())

    def __getitem__(self, place: str | int | slice) -> Any:
        return self._row[place] if isinstance(place, str) else self._values[place]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._row

    def __eq__(self, other: object) -> bool:
        return self._values == tuple(other) if isinstance(other, Record | tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values)

    def __repr__(self) -> str:
        return f"<Record {' '.join(f'{name}={value!r}' for name, value in self._row.items())}>"

    def get(self, name: str, default: Any = None) -> Any:
        return self._row.get(name, default)

    def keys(self) -> KeysView[str]:
        return self._row.keys()

    def values(self) -> ValuesView[Any]:
        return self._row.values()

    def items(self) -> ItemsView[str, Any]:
        return self._row.items()
