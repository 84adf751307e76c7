"""Running the real Lua scripts: Lua 5.1 with the libraries that Valkey gives it, calling a model store."""

import hashlib
import re
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from lupa import lua51  # type: ignore[import-untyped]

from tests.simulation.valkey.store import CommandError, Reply, Status

Call = Callable[[list[bytes]], Reply]

_ITEM: Final = re.compile(r"I(\d)|c(\d+)")
_WIDTHS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Scripting:
    """One Lua for all model servers of this Python process; scripts are compiled once."""

    def __init__(self) -> None:
        self._lua: Any = lua51.LuaRuntime(
            encoding=None, unpack_returned_tuples=True, register_eval=False, register_builtins=False
        )
        self._compiled: dict[str, Any] = {}
        self._globals: Any = self._lua.globals()
        self._call: Call | None = None
        self._globals[b"redis"] = self._lua.table_from(
            {
                b"call": self._redis_call,
                b"acl_check_cmd": lambda *_words: True,
                b"sha1hex": lambda text: hashlib.sha1(text, usedforsecurity=False).hexdigest().encode(),
                b"error_reply": lambda text: self._lua.table_from({b"err": text}),
            }
        )
        self._globals[b"struct"] = self._lua.table_from({b"pack": _pack, b"unpack": _unpack})
        self._globals[b"bit"] = self._lua.table_from(
            {
                b"band": lambda *values: _signed(_folded(values, int.__and__)),
                b"bor": lambda *values: _signed(_folded(values, int.__or__)),
                b"bnot": lambda value: _signed(~int(value)),
                b"lshift": lambda value, by: _signed(int(value) << (int(by) & 31)),
            }
        )

    def run(self, sha: str, source: bytes, keys: Sequence[bytes], args: Sequence[bytes], call: Call) -> Reply:
        """Run a script. Raises CommandError where it answers an error, or a command in it does."""
        function = self._compiled.get(sha)
        if function is None:
            shebang, _, body = source.partition(b"\n")
            if shebang.split(b" ")[0] != b"#!lua":
                raise CommandError("ERR Unexpected engine in script shebang")
            function = self._compiled[sha] = self._lua.compile(body)
        self._call = call
        self._globals[b"KEYS"] = self._lua.table_from(list(keys))
        self._globals[b"ARGV"] = self._lua.table_from(list(args))
        try:
            return self._reply(function())
        except lua51.LuaError as error:
            raise CommandError(f"ERR {error}") from None
        finally:
            self._call = None

    def _redis_call(self, *words: Any) -> Any:
        assert self._call is not None
        return self._value(self._call([_argument(word) for word in words]))

    def _value(self, reply: Reply) -> Any:
        """A command's reply as Lua has it."""
        if reply is None:
            return False
        if isinstance(reply, list):
            return self._lua.table_from([self._value(each) for each in reply])
        if isinstance(reply, Status):
            return self._lua.table_from({b"ok": bytes(reply)})
        return reply

    def _reply(self, value: Any) -> Reply:
        """What a script returns as a client gets it."""
        if value is None or value is False:
            return None
        if value is True:
            return 1
        if isinstance(value, bytes):
            return value
        if isinstance(value, int | float):
            return int(value)
        if isinstance(value, tuple):  # of several results the first one counts
            return self._reply(value[0])
        if (error := value[b"err"]) is not None:
            raise CommandError(error.decode())
        if (status := value[b"ok"]) is not None:
            return Status(status)
        items: list[Reply] = []
        while (item := value[len(items) + 1]) is not None:
            items.append(self._reply(item))
        return items


def _argument(word: Any) -> bytes:
    if isinstance(word, bytes):
        return word
    if isinstance(word, bool) or not isinstance(word, int | float):
        raise CommandError("ERR Lua redis lib command arguments must be strings or integers")
    return b"%d" % word if word == int(word) else f"{word:.17g}".encode()


@cache
def _format(text: bytes) -> tuple[struct.Struct, tuple[int, ...]]:
    """The same in Python; of each item the mask of an integer, or minus the width of a text."""
    assert text[:1] == b">", "all records are big-endian"
    python, sizes = ">", []
    for match in _ITEM.finditer(text.decode()):
        if match[1]:
            python += _WIDTHS[int(match[1])]
            sizes.append((1 << 8 * int(match[1])) - 1)
        else:
            python += f"{match[2]}s"
            sizes.append(-int(match[2]))
    assert "".join(match[0] for match in _ITEM.finditer(text.decode())) == text[1:].decode(), text
    return struct.Struct(python), tuple(sizes)


def _pack(text: bytes, *values: Any) -> bytes:
    packer, sizes = _format(text)
    if len(values) < len(sizes):
        raise CommandError("ERR bad argument to 'pack'")
    return packer.pack(
        *[
            int(value) & size if size > 0 else _text(value, -size)
            for value, size in zip(values, sizes, strict=False)
        ]
    )


def _text(value: Any, width: int) -> bytes:
    text = value if isinstance(value, bytes) else _argument(value)
    if len(text) < width:
        raise CommandError("ERR bad argument to 'pack' (string too short)")
    return text


def _unpack(text: bytes, data: bytes, start: int = 1) -> tuple[Any, ...]:
    packer, _ = _format(text)
    if len(data) - start + 1 < packer.size:
        raise CommandError("ERR bad argument to 'unpack' (data string too short)")
    return (*packer.unpack_from(data, start - 1), start + packer.size)


def _folded(values: Sequence[Any], operation: Callable[[int, int], int]) -> int:
    result = int(values[0])
    for value in values[1:]:
        result = operation(result, int(value))
    return result


def _signed(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value
