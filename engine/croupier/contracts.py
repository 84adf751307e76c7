"""The contract at the head of a script: what it reads, takes, answers and appends.

It is the leading comment block: a summary, then directives.

    @state NAME PATTERN      a record, read before the body: locals `NAME_<field>`, `NAME_key`, `NAME_stored` (false
                             when there is none), `NAME_read` (its bytes as read) and `NAME_rewrite` (whether it must
                             be written whole: at first, where there is none); NAME is a layout of
                             `croupier_schemas.records`
    @key NAME PATTERN        a key: local `NAME_key`; a pattern that ends in `...` takes all further keys: `NAME_keys`
    @arg NAME TYPE           an argument: `int` (unsigned), `text`, `text...` (all further ones), or a layout, whose
                             fields become `NAME_<field>`; a layout with `?` may be empty: then its fields are zero
    @record NAME LAYOUT      locals `NAME_<field>` to fill in
    @error CODE FIELD...     a code the script may answer, and the values that follow it
    @emits TYPE              the event it appends
    @flag allow-oom          it runs when Redis' memory is full too, and may go beyond: for what ends something
    @flag no-writes         it only reads: Redis runs it whatever keeps it from writing
    @include NAME...         functions, pasted before the body

A line `-- @stage NAME` in the body stands for the lines of `include/NAME.lua`: see `croupier.scripts`.
"""

import re
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any

from croupier_schemas.layout import Layout
from croupier_schemas.records import LAYOUTS

AnyLayout = Layout[Any]

STAGE = re.compile(r"^[ ]*-- @stage (\w+)(?: (\w+))?\n", re.MULTILINE)
_DIRECTIVE = re.compile(r"^-- @(\w+)\s*(.*)$")
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_FLAGS = frozenset({"allow-oom", "no-writes"})


class ScriptError(Exception):
    """A script's contract is wrong; the message names file and line."""


@dataclass(frozen=True)
class Key:
    """A declared key: its local name, its pattern below the partition's hash tag, and whether it is a record."""

    name: str
    pattern: str
    layout: AnyLayout | None = None

    @property
    def many(self) -> bool:
        return self.pattern.endswith("...")


@dataclass(frozen=True)
class Argument:
    """A declared argument: `kind` is `int`, `text`, `text...` or a layout's name."""

    name: str
    kind: str
    optional: bool = False


@dataclass
class Contract:
    """What a file declares, or, merged, what a script with its includes and stages does."""

    summary: str = ""
    keys: list[Key] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    records: list[tuple[str, str]] = field(default_factory=list)
    errors: dict[str, tuple[str, ...]] = field(default_factory=dict)
    emits: str | None = None
    flags: list[str] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)


def parse(path: str, text: str, root: Traversable) -> tuple[Contract, str]:
    """A file's contract and body. Raises ScriptError with file and line."""
    contract = Contract()
    lines = text.splitlines(keepends=True)
    number = 0
    for number, line in enumerate(lines, start=1):
        if not line.startswith("--"):
            break
        match = _DIRECTIVE.match(line.rstrip())
        where = f"{path}:{number}"
        if match is None:
            if number == 1:
                contract.summary = line.removeprefix("--").strip()
            continue
        words = match[2].split()
        _directive(where, match[1], words, contract)
        if match[1] == "include":
            for name in words:
                _must_exist(root, where, name)
    if not contract.summary:
        raise ScriptError(f"{path}:1: a script begins with a comment line that says what it does")
    seen: set[tuple[str, str | None]] = set()
    for line_number, line in enumerate(lines[number - 1 :], start=number):
        if stage := STAGE.match(line):
            _must_exist(root, f"{path}:{line_number}", stage[1])
            if (stage[1], stage[2]) in seen:
                raise ScriptError(f"{path}:{line_number}: stage {stage[1]!r} stands there twice")
            seen.add((stage[1], stage[2]))
            if stage[1] not in contract.stages:
                contract.stages.append(stage[1])
    if contract.stages and path.startswith("include/"):
        raise ScriptError(f"{path}: only a script has stages")
    return contract, "".join(lines[number - 1 :])


def _must_exist(root: Traversable, where: str, include: str) -> None:
    if not root.joinpath(f"include/{include}.lua").is_file():
        raise ScriptError(f"{where}: include/{include}.lua does not exist")


def _directive(where: str, directive: str, words: list[str], contract: Contract) -> None:
    if not words:
        raise ScriptError(f"{where}: @{directive} needs a name")
    name, rest = words[0], words[1:]
    if directive == "include":
        for include in words:
            if include in contract.includes:
                raise ScriptError(f"{where}: include {include!r} is listed twice")
            contract.includes.append(include)
        return
    if directive == "error":
        contract.errors[name] = tuple(rest)
        return
    if directive == "emits":
        contract.emits = name
        return
    if directive == "flag":
        if name not in _FLAGS:
            raise ScriptError(f"{where}: no flag {name!r}; there are {', '.join(sorted(_FLAGS))}")
        contract.flags.append(name)
        return
    if directive not in {"state", "key", "arg", "record"}:
        raise ScriptError(f"{where}: unknown directive @{directive}")
    if not rest or not _NAME.match(name):
        raise ScriptError(f"{where}: @{directive} needs a name in lower case and what it stands for")
    if directive == "state":
        contract.keys.append(Key(name, rest[0], _layout(where, name)))
    elif directive == "key":
        contract.keys.append(Key(name, rest[0]))
    elif directive == "record":
        _layout(where, rest[0])
        contract.records.append((name, rest[0]))
    else:
        kind = rest[0].removesuffix("?")
        if kind not in {"int", "text", "text..."}:
            _layout(where, kind)
        contract.arguments.append(Argument(name, kind, optional=rest[0].endswith("?")))


def _layout(where: str, name: str) -> AnyLayout:
    if name not in LAYOUTS:
        raise ScriptError(f"{where}: no layout {name!r}; there are {', '.join(sorted(LAYOUTS))}")
    return LAYOUTS[name]


def check_unique(file: str, contract: Contract) -> None:
    """Raise ScriptError where a merged contract declares a name twice, or anything after what takes the rest."""
    arguments = [argument.name for argument in contract.arguments]
    keys, records = [key.name for key in contract.keys], [name for name, _ in contract.records]
    states = [key.name for key in contract.keys if key.layout is not None]
    twice = {
        name
        for names in (keys + arguments, records + states + arguments)
        for name in names
        if names.count(name) > 1
    }
    if twice:
        raise ScriptError(f"{file}: declared twice: {', '.join(sorted(twice))}")
    for group in (contract.keys, contract.arguments):
        if any(_takes_rest(entry) for entry in group[:-1]):
            raise ScriptError(f"{file}: only the last key or argument may take all further ones")


def _takes_rest(entry: Key | Argument) -> bool:
    return entry.many if isinstance(entry, Key) else entry.kind == "text..."
