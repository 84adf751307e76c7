"""What a mutation is: a fault planted in the code, and the tests that must see it."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Mutation(NamedTuple):
    """`old`, which `file` holds exactly once, is replaced by `new`; then one of the tests must fail.

    `history` says what would happen to players or books. `file` and `tests` are paths from the root of the project.
    `only` is an expression of pytest's `-k`, made of words and `or`: the tests of those files that are run.
    """

    name: str
    history: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    only: str = ""


class NotThere(Exception):
    """A file does not hold a mutation's old text exactly once."""


def mutated(root: Path, mutation: Mutation) -> str:
    """The text of the mutation's file under `root` with the fault in it. Raises NotThere."""
    text = (root / mutation.file).read_text()
    if (times := text.count(mutation.old)) != 1:
        raise NotThere(f"{mutation.name}: {mutation.file} holds the old text {times} times: {mutation.old!r}")
    return text.replace(mutation.old, mutation.new)
