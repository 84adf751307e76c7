"""The Lua toolchain: reads the contract at the head of each script and makes the bindings from it.

The contract is what `croupier.contracts` reads. In the body, a line `-- @stage NAME` stands for the lines of
`include/NAME.lua`. A stage that can be about any record writes `<record>` for its name, and its line says which one:
`-- @stage save player`. `NAME_pack()` stands for the bytes of a record: the durable ones of a state
(`NAME_pack_volatile()` gives the others, `NAME_size()` the size of both), and `NAME_unpack(bytes)` fills the locals of
a `@record`. All these are pasted rather than called, because Lua makes every
function of a script anew at each call, at a cost that grows with the locals it uses. For the same reason every script
has `call`, `pack` and `sub`, short for `redis.call`, `struct.pack` and `string.sub`: a local is found faster than a
field of a global.

Includes and stages have contracts of their own, merged into the script's: keys and arguments come in the order
includes, stages, then the script's own. All `int` arguments travel together as one packed string, the first of ARGV.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable

import croupier_lua
from croupier.contracts import (
    STAGE,
    AnyLayout,
    Argument,
    Contract,
    Key,
    ScriptError,
    check_unique,
    parse,
)
from croupier_schemas.records import LAYOUTS

_PLACEHOLDER = re.compile(r"<(\w+)>")
_RECORD = "<record>"
_MACRO = re.compile(r"\b(\w+)_(pack|pack_volatile|size|unpack)\((\w*)\)")


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
    flags: frozenset[str]

    @cached_property
    def states(self) -> tuple[tuple[int, int], ...]:
        """Of each record that the script reads: its place among the keys, and the size of its durable part."""
        return tuple(
            (i, key.layout.durable_size) for i, key in enumerate(self.keys) if key.layout is not None
        )

    @cached_property
    def body(self) -> struct.Struct:
        """What stands before the result in the body of its event: time, bits, and the records' durable parts."""
        return struct.Struct(">QB" + "".join(f"{size}s" for _, size in self.states))

    @cached_property
    def key_names(self) -> Callable[[Mapping[str, str]], list[str]]:
        """`key_names(places)` are the names of the keys, in order. `places` fill the placeholders of the patterns, and
        `p`, the partition, stands in every key; KeyError where one is missing.

        It is a function made for these patterns: to fill in a template takes three times as long.
        """
        patterns = [_PLACEHOLDER.sub(r"{places['\1']}", key.pattern) for key in self.keys if not key.many]
        names = ", ".join(f"""f"{{{{{{places['p']}}}}}}:{pattern}\"""" for pattern in patterns)
        function: Callable[[Mapping[str, str]], list[str]] = eval(  # noqa: S307 - it is made of our own contracts
            f"lambda places: [{names}]"
        )
        return function

    def argv(self, *values: bytes | str | int) -> list[bytes | str]:
        """ARGV from the values of all arguments, in the order of `arguments`.

        Raises struct.error for an integer below 0 or above 2^64, and where their number is not the declared one.
        """
        integers = [value for value in values if value.__class__ is int]
        texts = [value for value in values if value.__class__ is not int]
        return [self._integers.pack(*integers), *texts]  # type: ignore[list-item]

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
        self._parsed: dict[str, tuple[Contract, str]] = {}
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
        merged = Contract()
        for file in (*functions, *stages, path):
            contract, _ = self._parse(file)
            merged.keys += contract.keys
            merged.arguments += contract.arguments
            merged.records += contract.records
            merged.errors |= contract.errors
            check_unique(file, merged)
        text = "".join(self._parse(file)[1] for file in functions)
        text += STAGE.sub(lambda stage: self._stage(path, stage[1], stage[2]), body)
        flags = f" flags={','.join(own.flags)}" if own.flags else ""
        source = f"#!lua{flags}\n-- {path}\n{_bindings(merged)}{_expand(path, merged, text)}".encode()
        return Script(
            name=path.removesuffix(".lua").replace("/", "."),
            summary=own.summary,
            source=source,
            sha=hashlib.sha1(source, usedforsecurity=False).hexdigest(),
            keys=tuple(merged.keys),
            arguments=tuple(merged.arguments),
            errors=merged.errors,
            emits=own.emits,
            flags=frozenset(own.flags),
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

    def _parse(self, path: str) -> tuple[Contract, str]:
        if path not in self._parsed:
            self._parsed[path] = parse(path, self._root.joinpath(path).read_text("utf-8"), self._root)
        return self._parsed[path]


def _bindings(contract: Contract) -> str:
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


def _expand(path: str, contract: Contract, text: str) -> str:
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
