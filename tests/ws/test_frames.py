"""Frames that are not what they should be, and frames that only look so."""

import asyncio
import json
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from croupier.errors import CroupierError
from croupier_http.decoding import Decoder
from croupier_http.ws.codecs import CODECS, MalformedFrame
from croupier_http.ws.frames import FRAME_BYTES_MAX
from croupier_schemas.crash import CrashBet
from croupier_schemas.gacha import GachaPull
from tests.http.support import Client, running, settings_for
from tests.ws.raw import BINARY, CLOSE, PING, PONG, TEXT, frame, raw_socket
from tests.ws.support import JSON, MSGPACK, connected

pack = msgspec.msgpack.encode

MALFORMED_JSON = [
    b"", b" ", b"[", b"[]", b"{}", b"null", b"7", b'"x"', b"[[]]", b"[1]", b'[1,"ping"]', b"[[1]]",
    b'[1,"ping",{},"k",5]', b'[-1,"ping",{}]', b'[9007199254740992,"ping",{}]', b'[1.5,"ping",{}]',
    b'[null,"ping",{}]', b'[true,"ping",{}]', b'[1,2,{}]', b'[1,"ping",{},7]', b'[1,"ping",{}]x',
    b'[1,"ping",{}][2,"ping",{}]', b'[[1,"ping",{}],7]', b'[[1,"ping",{}],[[2,"ping",{}]]]',
    b'[1,"ping",NaN]', b'[1,"ping",{a:1}]', b"\xff\xfe", b'["\xff","ping",{}]', b'["' + b"x" * 65 + b'","ping",{}]',
    b'[1,"' + b"x" * 65 + b'",{}]', b"[" * 8000, b'[1,"ping",' + b"[" * 8000,
]  # fmt: skip
MALFORMED_MSGPACK = [
    b"", b"\x90", b"\x80", b"\xc0", b"\x07", b"\x91\x90", b"\x91\x01", pack([1, "ping"]), pack([[1]]),
    pack([1, "ping", {}, "k", 5]), pack([-1, "ping", {}]), pack([2**53, "ping", {}]), pack([1.5, "ping", {}]),
    pack([b"x", "ping", {}]), pack([1, 2, {}]), pack([1, "ping", {}]) + b"x", pack([[1, "ping", {}], 7]),
    pack([1, "ping", {}])[:-1], b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xc1", b"\x91" * 8000, b"\xdc", b"\xdd\x00",
]  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "opcode", "payloads"), [(JSON, TEXT, MALFORMED_JSON), (MSGPACK, BINARY, MALFORMED_MSGPACK)]
)
async def test_given_a_frame_without_a_command_when_sent_then_closed_with_1007_and_the_server_lives(
    client: Client, protocol: str, opcode: int, payloads: list[bytes]
) -> None:
    for payload in payloads:
        async with raw_socket(client, protocol=protocol) as raw:
            raw.writer.write(frame(payload, opcode))
            assert await raw.close_code() == 1007, payload
    assert (await client.get("/health", bearer="")).status == 200


async def test_given_frames_of_the_wrong_kind_when_sent_then_closed_with_1003(client: Client) -> None:
    async with raw_socket(client, protocol=JSON) as raw:
        raw.writer.write(frame(pack([1, "ping", {}]), BINARY))
        assert await raw.close_code() == 1003
    async with raw_socket(client, protocol=MSGPACK) as raw:
        raw.writer.write(frame(b'[1,"ping",{}]', TEXT))
        assert await raw.close_code() == 1003


def _padded(size: int) -> bytes:
    return b'[1,"ping",{}' + b" " * (size - 13) + b"]"


async def test_given_a_message_at_the_limit_of_size_when_sent_then_answered_and_beyond_closed_with_1009(
    client: Client,
) -> None:
    async with raw_socket(client) as raw:
        raw.writer.write(frame(_padded(FRAME_BYTES_MAX)))
        opcode, payload = await raw.read()
        while not payload.startswith(b"[1,200,"):
            opcode, payload = await raw.read()
        assert opcode == TEXT
        raw.writer.write(frame(_padded(FRAME_BYTES_MAX + 1)))
        assert await raw.close_code() == 1009
    async with raw_socket(client) as raw:  # in pieces
        half = _padded(FRAME_BYTES_MAX + 1)
        raw.writer.write(frame(half[:9000], fin=False) + frame(half[9000:], 0))
        assert await raw.close_code() == 1009
    async with raw_socket(client) as raw:  # it does not even come
        raw.writer.write(struct.pack(">BBQ", 0x81, 0xFF, 2**40))
        assert await raw.close_code() == 1009


NOT_WEBSOCKET = [
    frame(b"x", 3), frame(b"x", 0), frame(b"x", TEXT, rsv=4), frame(b"x" * 126, PING), frame(b"x", PING, fin=False),
    frame(b"x", TEXT, fin=False) + frame(b"y", TEXT), frame(b"\x00", CLOSE), frame(struct.pack(">H", 999), CLOSE),
]  # fmt: skip


async def test_given_what_is_not_websocket_when_sent_then_closed_with_1002(client: Client) -> None:
    async def code(data: bytes) -> int:
        async with raw_socket(client) as raw:
            raw.writer.write(data)
            return await raw.close_code()

    assert await asyncio.gather(*map(code, NOT_WEBSOCKET)) == [1002] * len(NOT_WEBSOCKET)


async def test_given_a_ping_frame_or_fragments_when_sent_then_answered(client: Client) -> None:
    async with raw_socket(client) as raw:
        raw.writer.write(frame(b"", PONG) + frame(b"beat", PING))
        opcode, payload = await raw.read()
        while opcode != PONG:
            opcode, payload = await raw.read()
        assert payload == b"beat"
        raw.writer.write(frame(b'[1,"pi', fin=False) + frame(b"", PING) + frame(b'ng",{}]', 0))
        while not payload.startswith(b"[1,200,"):
            opcode, payload = await raw.read()


async def test_given_a_closing_client_when_it_closes_then_the_code_comes_back(client: Client) -> None:
    for sent, answered in (
        (struct.pack(">H", 1000), 1000),
        (struct.pack(">H", 4321) + b"bye", 4321),
        (b"", 1000),
    ):
        async with raw_socket(client) as raw:
            raw.writer.write(frame(sent, CLOSE))
            assert await raw.close_code() == answered


async def test_given_too_many_frames_in_a_second_when_sent_then_closed_with_4429(redis_url: str) -> None:
    async with running(settings_for(redis_url, ws_frames_per_second=10)) as client, raw_socket(client) as raw:
        raw.writer.write(frame(b'[1,"ping",{}]') * 40)
        assert await raw.close_code() == 4429


async def test_given_a_name_twice_or_what_json_lacks_in_msgpack_when_sent_then_refused(
    client: Client,
) -> None:
    nan = struct.pack(">d", float("nan"))
    twice = b"\x82\xa5count\x01\xa5count\x0a"
    cases = {
        b"\xaagacha.pull": [
            twice,
            b"\x81\xa5count\xc4\x011",
            b"\x81\x01\x02",
            b"\x81\x80\x02",
            b"\xd4\x05\x00",
        ],
        b"\xa9crash.bet": [
            b"\x82\xaabet_amount\x0a\xacauto_cashout\xcb" + nan,
            b"\x82\xaabet_amount\x0a\xacauto_cashout\xcb" + struct.pack(">d", float("inf")),
        ],
    }
    async with connected(client, protocol=MSGPACK) as socket:
        for name, all_arguments in cases.items():
            for arguments in all_arguments:
                await socket.ws.send_bytes(b"\x93\x01" + name + arguments)
                while not socket.replies:
                    await socket.receive()
                reply = socket.replies.pop()
                assert reply[1] in (400, 422), (name, arguments, reply)


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_names = st.sampled_from(
    ["count", "pullCount", "banner", "use_premium_currency", "bet_amount", "auto_cashout"]
)
_arguments = (
    st.dictionaries(_names | st.text(max_size=4), _json_values | st.binary(max_size=4), max_size=3)
    | _json_values
)


@given(data=st.binary(max_size=200) | _arguments.map(lambda value: json.dumps(value, default=str).encode()))
@settings(max_examples=400, deadline=None)
def test_given_any_bytes_when_read_as_a_frame_then_calls_or_malformed(data: bytes) -> None:
    for codec in CODECS:
        try:
            calls = codec.calls(data)
        except MalformedFrame:
            continue
        assert calls


@given(value=_arguments)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_given_any_arguments_when_decoded_then_msgpack_takes_and_refuses_what_json_does(value: Any) -> None:
    for struct_type in (GachaPull, CrashBet):
        decoder = Decoder(struct_type)
        try:
            packed = msgspec.msgpack.encode(value)
        except OverflowError:
            continue
        from_msgpack = _outcome(decoder.msgpack, packed)
        try:
            text = json.dumps(value, allow_nan=False).encode()
        except (TypeError, ValueError):
            assert isinstance(from_msgpack, str)  # what JSON has no word for is refused
            continue
        from_json = _outcome(decoder.body, text)
        assert from_msgpack == from_json or isinstance(from_json, str) is isinstance(from_msgpack, str)


def _outcome(decode: Any, data: bytes) -> Any:
    """The request, or the code of the refusal."""
    try:
        return decode(data)
    except CroupierError as error:
        msgspec.json.encode(error.fields)
        return error.code


def test_given_replies_when_joined_then_they_are_a_list() -> None:
    for codec, decode in ((CODECS[0], msgspec.json.decode), (CODECS[1], msgspec.msgpack.decode)):
        for count in (2, 15, 16, 300, 2_000):
            joined = codec.join([codec.encode([number, 200, {}]) for number in range(count)])
            assert decode(joined) == [[number, 200, {}] for number in range(count)]
