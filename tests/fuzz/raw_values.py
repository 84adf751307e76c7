"""Commands whose members have any values, as bytes that say what no encoder would."""

import json
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from croupier.command import Command
from croupier.registry import COMMANDS
from croupier_http.aliases import aliases

_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_USUAL: Final[tuple[Any, ...]] = (
    1, 2, 10, 100, -1, 0, 1.5, "standard", "ROCK", "PAPER", "slot", "crash", "TOKENS", "GEMS", "event", "mine", 4_242,
    "0" * 32, True, None, [], {}, [1], {"count": 1},
)  # fmt: skip
_ODD_NAMES: Final = ("", "__proto__", "constructor", "Count", "count ", "\0", "\u2028", "user_id", "x" * 300)

_JSON_ONLY: Final = (
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e-400", b"-0", b"-0.0", b"01", b"1.", b".5", b"+1",
    b"0x10",
    b"1" * 310, b"1" * 5_000, b"9007199254740993", b"9223372036854775808", b"18446744073709551616", b'"\\ud800"',
    b'"\\udc00\\ud800"', b'"\\u0000"', b'"\xff"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xc0\x80"', b'"\n"',
    b"'a'", b"",
    b"[" * 3_000, b"[" * 3_000 + b"]" * 3_000, b'{"a":' * 1_500 + b"1" + b"}" * 1_500, b"\xef\xbb\xbf1", b"1/**/",
    b"[1,]",
    b'{"a":1,"a":2}', b'"' + b"x" * 9_000 + b'"', b"nul", b"tru", b'"a', b"{", b"]",
)  # fmt: skip
_MSGPACK_ONLY: Final = (
    b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdc\xff\xff", b"\xde\xff\xff\x01",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff", b"\xc4\x08standard", b"\xc4\x01\x01", b"\xd4\x01\x00", b"\xd6\xff\x00\x00\x00\x00",
    b"\xd7\xff" + b"\xff" * 8, b"\xc7\x0c\xff" + b"\xff" * 12, b"\xc7\x00\x05", b"\xa2\xff\xfe", b"\xa3\xed\xa0\x80",
    b"\xa2\xc0\x80",
    b"\xcb\x7f\xf8" + b"\0" * 6, b"\xcb\x7f\xf0" + b"\0" * 6, b"\xca\x7f\x80\0\0", b"\xca\x3f\xc0\0\0",
    b"\xcf" + b"\xff" * 8,
    b"\xd3\x80" + b"\0" * 7, b"\xcb\x3f\xf0" + b"\0" * 6, b"\xd9\x08standard", b"\xda\x00\x08standard", b"\xcc\x01",
    b"\xcd\x00\x01", b"\xce\0\0\0\x01", b"\xd0\x01", b"\x91" * 3_000 + b"\xc0", b"\x81\xa1a" * 3_000 + b"\xc0",
    b"\x82\xa1a\x01\xa1a\x02",
    b"\x81\x01\x02", b"\x81\xc0\x02", b"\x81\x90\x02", b"\xda\x23\x28" + b"x" * 9_000, b"", b"\xa5abc",
)  # fmt: skip

commands: st.SearchStrategy[Command[Any, Any, Any]] = st.sampled_from(COMMANDS)
keys = st.sampled_from(["", "once", "twice", "k" * 128, "k" * 129, "two words", "\u00e9"])


def names(command: Command[Any, Any, Any]) -> st.SearchStrategy[str]:
    """Names of members: mostly those that the command knows."""
    known = [*command.request.__struct_encode_fields__, *aliases(command.request)]
    odd = st.sampled_from(_ODD_NAMES) | st.text(max_size=5)
    return st.sampled_from(known) | odd if known else odd


@st.composite
def json_object(draw: st.DrawFn, command: Command[Any, Any, Any]) -> bytes:
    """An object as JSON, or what looks like one; names may stand in it twice."""
    values = (
        st.sampled_from(_USUAL).map(_as_json)
        | st.sampled_from(_USUAL).map(_as_json)
        | st.sampled_from(_JSON_ONLY)
        | _plain.map(_as_json)
    )
    members = draw(st.lists(st.tuples(names(command), values), max_size=4))
    return b"{" + b",".join(_as_json(name) + b":" + value for name, value in members) + b"}"


@st.composite
def msgpack_object(draw: st.DrawFn, command: Command[Any, Any, Any]) -> bytes:
    """The same as msgpack; its head may claim another number of members than there are."""
    values = (
        st.sampled_from(_USUAL).map(msgspec.msgpack.encode)
        | st.sampled_from(_USUAL).map(msgspec.msgpack.encode)
        | st.sampled_from(_MSGPACK_ONLY)
        | _plain.filter(_fits).map(msgspec.msgpack.encode)
    )
    packed_names = names(command).map(msgspec.msgpack.encode) | st.sampled_from(_MSGPACK_ONLY)
    usual_names = names(command).map(msgspec.msgpack.encode)
    members = draw(st.lists(st.tuples(usual_names | usual_names | packed_names, values), max_size=4))
    claimed = draw(st.sampled_from([len(members)] * 6 + [0, 5, 15]))
    head = draw(st.sampled_from([bytes([0x80 | claimed]), b"\xde" + claimed.to_bytes(2, "big")]))
    return head + b"".join(name + value for name, value in members)


def _as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def _fits(value: object) -> bool:
    """Whether msgpack has this: its integers have 64 bits."""
    if isinstance(value, dict):
        return all(_fits(each) for each in value.values())
    if isinstance(value, list):
        return all(_fits(each) for each in value)
    return not isinstance(value, int) or -(2**63) <= value < 2**64
