"""What encoding and decoding cost: a command, its reply and an event, with msgspec and with what else is at hand.

msgspec checks what it decodes against the schema, and the others make dicts of it. An event is encoded by its script,
so that only decoding its stream entry is measured; beside it is the same content as a message of each codec.
"""

import importlib
import importlib.util
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from bench.harness import Timed
from croupier_schemas.common import Receipt
from croupier_schemas.events import EventHeader, EventId, decode_entry, encode_header
from croupier_schemas.gacha import GachaItem, GachaPull, GachaPullReply, Pity
from croupier_schemas.records import GACHA, PLAYER

CALLS = 2_000
ROUNDS = 15


class EventMessage(msgspec.Struct):
    """The content of an event of a pull, as one message."""

    id: EventId
    ts_ms: int
    type: str
    uid: int
    tier: str
    op_id: bytes
    economy: bytes
    player: bytes
    gacha: bytes
    result: bytes


COMMAND: Final = GachaPull(count=1, banner="standard")
REPLY: Final = GachaPullReply(
    items=[GachaItem("Rare", "standard_rare_1", "sparkle", near_miss=False, downgraded_from=None)],
    daily_remaining=49,
    cost_used=100,
    balance=123_456,
    gems=12,
    pity=Pity(Legendary=41, Epic=7, Rare=0, guaranteed=False),
    legacy_cost_mode=False,
    receipt=Receipt("0-1-123456", 123_456, "5e" * 32, 789, "c0" * 32),
)
EVENT: Final = EventMessage(
    EventId(0, 1, 123_456), 1_750_000_000_000, "gacha.pulled", 123_456, "STANDARD", b"o" * 16, b"e" * 32,
    b"p" * PLAYER.durable_size, b"g" * GACHA.durable_size, b"r" * 32,
)  # fmt: skip
_RECORDS: Final = (
    (f"{{0}}:player:{EVENT.uid}", len(EVENT.player)),
    (f"{{0}}:gacha:{EVENT.uid}:standard", len(EVENT.gacha)),
)
_HEADER: Final = EventHeader(
    EVENT.type, EVENT.uid, EVENT.tier, EVENT.op_id, "", b"", EVENT.economy, 1, records=_RECORDS
)
_ENTRY: Final = (
    b"1-123456",
    (b"h", encode_header(_HEADER), b"b", bytes(9) + EVENT.player + EVENT.gacha + EVENT.result),
)


class Codec(NamedTuple):
    """A way to write and read one message. Without `encode` it is `data` that is read."""

    name: str
    encode: Callable[[], bytes] | None
    decode: Callable[[Any], object]
    data: Any


def _codecs(value: msgspec.Struct) -> list[Codec]:
    """All codecs for a message, first Python's own."""
    plain = msgspec.to_builtins(value)
    ways: list[tuple[str, Callable[[], bytes], Callable[[Any], object]]] = [
        ("json", lambda: json.dumps(plain).encode(), json.loads),
        (
            "msgspec, JSON",
            partial(msgspec.json.Encoder().encode, value),
            msgspec.json.Decoder(type(value)).decode,
        ),
        (
            "msgspec, msgpack",
            partial(msgspec.msgpack.Encoder().encode, value),
            msgspec.msgpack.Decoder(type(value)).decode,
        ),
    ]
    if importlib.util.find_spec("msgpack"):
        msgpack: Any = importlib.import_module("msgpack")
        ways.append(("msgpack", partial(msgpack.packb, plain), msgpack.unpackb))
    return [Codec(name, encode, decode, encode()) for name, encode, decode in ways]


MESSAGES: Final = {"command": _codecs(COMMAND), "reply": _codecs(REPLY), "event": _codecs(EVENT)}
MESSAGES["event"].append(
    Codec("stream entry", None, lambda entry: decode_entry(0, entry[0], entry[1]), _ENTRY)
)


@pytest.mark.benchmark(group=f"codecs, {CALLS:,} messages")
@pytest.mark.parametrize(
    ("message", "codec"),
    [
        pytest.param(message, codec, id=f"{message}, {codec.name}")
        for message, codecs in MESSAGES.items()
        for codec in codecs
    ],
)
def test_codec(benchmark: Any, message: str, codec: Codec) -> None:
    standard = MESSAGES[message][0]
    assert standard.encode is not None
    their_encoding, their_decoding = _timed(standard.encode), _timed(partial(standard.decode, standard.data))
    encoding, decoding = _timed(codec.encode), _timed(partial(codec.decode, codec.data))

    def standard_round() -> None:
        their_encoding()
        their_decoding()

    def one_round() -> None:
        encoding()
        decoding()

    benchmark.pedantic(one_round, setup=standard_round, rounds=ROUNDS, iterations=1, warmup_rounds=1)

    figures = {"decode_us": decoding.median_s, "encode_us": encoding.median_s if codec.encode else None}
    benchmark.extra_info |= {
        "bytes": len(codec.data) if codec.encode else sum(map(len, codec.data[1][1::2])),
        **{name: round(s / CALLS * 1e6, 2) for name, s in figures.items() if s is not None},
        "times_json_decode": round(their_decoding.median_s / decoding.median_s, 1),
    }
    if codec.encode:
        benchmark.extra_info["times_json_encode"] = round(their_encoding.median_s / encoding.median_s, 1)


def _timed(call: Callable[[], object] | None) -> Timed:
    """So many calls; none where there is nothing to call."""

    def calls() -> None:
        if call is not None:
            for _ in range(CALLS):
                call()

    return Timed(calls)
