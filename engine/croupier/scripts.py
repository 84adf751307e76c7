"""The Lua toolchain: reads the contract at the head of each script and makes the bindings from it.

A script's contract is its leading comment block: a summary, then directives.

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
    @include NAME...         functions, pasted before the body

In the body, a line `-- @stage NAME` stands for the lines of `include/NAME.lua`. A stage that can be about any record
writes `<record>` for its name, and its line says which one: `-- @stage save player`. `NAME_pack()` stands for the bytes
of a record: the durable ones of a state (`NAME_pack_volatile()` gives the others, `NAME_size()` the size of both), and
`NAME_unpack(bytes)` fills the locals of a `@record`. All these are pasted rather than called, because Lua makes every
function of a script anew at each call, at a cost that grows with the locals it uses. For the same reason every script
has `call`, `pack` and `sub`, short for `redis.call`, `struct.pack` and `string.sub`: a local is found faster than a
field of a global.

Includes and stages have contracts of their own, merged into the script's: keys and arguments come in the order
includes, stages, then the script's own. All `int` arguments travel together as one packed string, the first of ARGV.
"""

import hashlib
import re
import struct
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any

import croupier_lua
from croupier_schemas.layout import Layout
from croupier_schemas.records import LAYOUTS

AnyLayout = Layout[Any]

_DIRECTIVE = re.compile(r"^-- @(\w+)\s*(.*)$")
_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_PLACEHOLDER = re.compile(r"<(\w+)>")
_STAGE = re.compile(r"^[ ]*-- @stage (\w+)(?: (\w+))?\n", re.MULTILINE)
_RECORD = "<record>"
_MACRO = re.compile(r"\b(\w+)_(pack|pack_volatile|size|unpack)\((\w*)\)")


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
class _Contract:
    summary: str = ""
    keys: list[Key] = field(default_factory=list)
    arguments: list[Argument] = field(default_factory=list)
    records: list[tuple[str, str]] = field(default_factory=list)
    errors: dict[str, tuple[str, ...]] = field(default_factory=dict)
    emits: str | None = None
    includes: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Script:
    """A script ready to load: its source with the bindings, the SHA-1 that Redis knows it by, and its contract."""

    name: str
    summary: str
    source: bytes
    sha: str
    keys: tuple[Key, ...]
    arguments: tuple[Argument, ...]
    errors: dict[str, tuple[str, ...]]
    emits: str | None

    @cached_property
    def states(self) -> tuple[tuple[int, int], ...]:
        """Of each record that the script reads: its place among the keys, and the size of its durable part."""
        return tuple(
            (i, key.layout.durable_size) for i, key in enumerate(self.keys) if key.layout is not None
        )

    def key_names(self, partition: int, **places: str) -> list[str]:
        """The names of the keys, in order. `places` fill the patterns' placeholders; KeyError where one is missing."""
        return self._key_template.format(p=partition, **places).split("\n")

    def argv(self, *values: bytes | str | int) -> list[bytes | str]:
        """ARGV from the values of all arguments, in the order of `arguments`.

        Raises struct.error for an integer below 0 or above 2^64, and where their number is not the declared one.
        """
        integers = [value for value in values if value.__class__ is int]
        texts = [value for value in values if value.__class__ is not int]
        return [self._integers.pack(*integers), *texts]  # type: ignore[list-item]

    @cached_property
    def _key_template(self) -> str:
        return "\n".join(
            "{{{p}}}:" + _PLACEHOLDER.sub(r"{\1}", key.pattern) for key in self.keys if not key.many
        )

    @cached_property
    def _integers(self) -> struct.Struct:
        return struct.Struct(f">{sum(argument.kind == 'int' for argument in self.arguments)}Q")


class Scripts:
    """All scripts of a root directory, by name (`gacha.pull` is `gacha/pull.lua`).

    Raises ScriptError, with file and line, for an unknown directive, layout or type, a name declared twice, and an
    include that is missing, listed twice or cyclic.
    """

    def __init__(self, root: Traversable = croupier_lua.ROOT) -> None:
        self._root = root
        self._parsed: dict[str, tuple[_Contract, str]] = {}
        self._scripts = {
            f"{folder.name}.{file.name.removesuffix('.lua')}": self._load(f"{folder.name}/{file.name}")
            for folder in sorted(root.iterdir(), key=lambda entry: entry.name)
            if folder.is_dir() and folder.name != "include"
            for file in sorted(folder.iterdir(), key=lambda entry: entry.name)
            if file.name.endswith(".lua")
        }
        sources = "".join(f"{name} {script.sha}\n" for name, script in sorted(self._scripts.items()))
        self.bundle = hashlib.sha256(sources.encode()).hexdigest()

    def __getitem__(self, name: str) -> Script:
        return self._scripts[name]

    def names(self) -> list[str]:
        return sorted(self._scripts)

    def _load(self, path: str) -> Script:
        own, body = self._parse(path)
        functions: list[str] = []
        for include in own.includes:
            self._resolve(f"include/{include}.lua", functions, chain=(path,))
        stages = [f"include/{stage}.lua" for stage in own.stages]
        merged = _Contract()
        for file in (*functions, *stages, path):
            contract, _ = self._parse(file)
            merged.keys += contract.keys
            merged.arguments += contract.arguments
            merged.records += contract.records
            merged.errors |= contract.errors
            _check_unique(file, merged)
        text = "".join(self._parse(file)[1] for file in functions)
        text += _STAGE.sub(lambda stage: self._stage(path, stage[1], stage[2]), body)
        source = f"#!lua\n-- {path}\n{_bindings(merged)}{_expand(path, merged, text)}".encode()
        return Script(
            name=path.removesuffix(".lua").replace("/", "."),
            summary=own.summary,
            source=source,
            sha=hashlib.sha1(source, usedforsecurity=False).hexdigest(),
            keys=tuple(merged.keys),
            arguments=tuple(merged.arguments),
            errors=merged.errors,
            emits=own.emits,
        )

    def _stage(self, path: str, stage: str, record: str | None) -> str:
        """The body of a stage; one about any record gets the name of the record it is about here."""
        text = self._parse(f"include/{stage}.lua")[1]
        if (_RECORD in text) is not (record is not None):
            raise ScriptError(f"{path}: stage {stage} is about a record, or is not: {record!r} does not fit")
        return text.replace(_RECORD, record or "")

    def _resolve(self, path: str, order: list[str], chain: tuple[str, ...]) -> None:
        """Append to `order` what the include `path` includes, depth first, and then itself."""
        if path in chain:
            raise ScriptError(f"{path}: cyclic include: {' -> '.join((*chain, path))}")
        if path in order:
            return
        for include in self._parse(path)[0].includes:
            self._resolve(f"include/{include}.lua", order, (*chain, path))
        order.append(path)

    def _parse(self, path: str) -> tuple[_Contract, str]:
        if path not in self._parsed:
            self._parsed[path] = _parse(path, self._root.joinpath(path).read_text("utf-8"), self._root)
        return self._parsed[path]


def _parse(path: str, text: str, root: Traversable) -> tuple[_Contract, str]:
    contract = _Contract()
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
        if stage := _STAGE.match(line):
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


def _directive(where: str, directive: str, words: list[str], contract: _Contract) -> None:
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


def _check_unique(file: str, contract: _Contract) -> None:
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


def _bindings(contract: _Contract) -> str:
    """Lua source that names keys and arguments and reads the state; locals only, no table, no look-up."""
    lines = ["local call, pack, sub = redis.call, struct.pack, string.sub"]
    for index, key in enumerate(contract.keys, start=1):
        if key.many:
            lines.append(f"local {key.name}_keys = {{unpack(KEYS, {index})}}")
        else:
            lines.append(f"local {key.name}_key = KEYS[{index}]")
    integers = [argument.name for argument in contract.arguments if argument.kind == "int"]
    if integers:
        lines.append(f"local {', '.join(integers)} = struct.unpack('>{'I8' * len(integers)}', ARGV[1])")
    texts = [argument for argument in contract.arguments if argument.kind != "int"]
    for index, argument in enumerate(texts, start=2):
        lines += _text_argument(index, argument)
    for key in contract.keys:
        if key.layout is not None:
            lines += _state(key.name, key.layout)
    for name, layout_name in contract.records:
        layout = LAYOUTS[layout_name]
        lines.append(f"local {_locals(name, layout)} = {_zeros(layout)}")
    return "\n".join(lines) + "\n"


def _text_argument(index: int, argument: Argument) -> list[str]:
    if argument.kind == "text":
        return [f"local {argument.name} = ARGV[{index}]"]
    if argument.kind == "text...":
        return [f"local {argument.name} = {{unpack(ARGV, {index})}}"]
    layout = LAYOUTS[argument.kind]
    names, read = _locals(argument.name, layout), f"struct.unpack('>{layout.lua_format()}', ARGV[{index}], 2)"
    if not argument.optional:
        return [f"local {names} = {read}"]
    return [f"local {names} = {_zeros(layout)}", f"if ARGV[{index}] ~= '' then {names} = {read} end"]


def _state(name: str, layout: AnyLayout) -> list[str]:
    """Read a record; an absent one, or an absent volatile tail, reads as zeros. One that is cut short is an error."""
    lines = [
        f"local {name}_stored = call('GET', {name}_key)",
        f"local {name}_rewrite = not {name}_stored",
        f"local {name}_read = {name}_stored or '\\{layout.version:03d}' .. string.rep('\\0', {layout.size - 1})",
    ]
    if layout.size > layout.durable_size:
        lines += [
            f"if #{name}_read == {layout.durable_size} then",
            f"  {name}_read = {name}_read .. string.rep('\\0', {layout.size - layout.durable_size})",
            "end",
        ]
    return [
        *lines,
        f"local {name}_layout, {_locals(name, layout)} = struct.unpack('>I1{layout.lua_format()}', {name}_read)",
        f"if {name}_layout ~= {layout.version} then",
        f"  return redis.error_reply('LAYOUT {name}: not of version {layout.version}')",
        "end",
    ]


def _expand(path: str, contract: _Contract, text: str) -> str:
    """Replace `NAME_pack()`, `NAME_unpack(bytes)` and `NAME_size()` by what they stand for with the record NAME."""
    layouts = {key.name: key.layout for key in contract.keys if key.layout is not None}
    records = {name: LAYOUTS[layout] for name, layout in contract.records}

    def expression(match: re.Match[str]) -> str:
        name, macro, argument = match[1], match[2], match[3]
        if name in records and macro == "pack":
            return _pack(name, records[name], durable=None)
        if name in records and macro == "unpack":
            layout = records[name]
            return f"{_locals(name, layout)} = struct.unpack('>{layout.lua_format()}', {argument}, 2)"
        if name in layouts and macro == "size":
            return str(layouts[name].size)
        if name in layouts and macro != "unpack":
            return _pack(name, layouts[name], durable=macro == "pack")
        raise ScriptError(f"{path}: {match[0]} names no record of this script")

    return _MACRO.sub(expression, text)


def _pack(name: str, layout: AnyLayout, *, durable: bool | None) -> str:
    fields = [each for each, kind in layout.fields.items() if durable is None or kind.durable is durable]
    values = ", ".join(f"{name}_{each}" for each in fields)
    version_format, version = ("", "") if durable is False else ("I1", f"{layout.version}, ")
    return f"pack('>{version_format}{layout.lua_format(durable=durable)}', {version}{values})"


def _locals(name: str, layout: AnyLayout) -> str:
    return ", ".join(f"{name}_{each}" for each in layout.fields)


def _zeros(layout: AnyLayout) -> str:
    return ", ".join("''" if each.text else "0" for each in layout.fields.values())
