"""Reading a client's frames: in pieces of any size, masked or not, whole or in fragments."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from croupier_http.ws.frames import FRAME_BYTES_MAX, Frames
from tests.http.support import Client, running, settings_for
from tests.ws.raw import BINARY, CLOSE, PING, PONG, TEXT, frame, raw_socket

PING_COMMAND = b'[1,"ping",{}]'


class Heard:
    """What a reader has handed on."""

    def __init__(self) -> None:
        self.what: list[Any] = []

    def received(self, payload: bytes, *, is_text: bool) -> None:
        assert type(payload) is bytes
        self.what.append((TEXT if is_text else BINARY, payload))

    def fragment_received(self) -> None:
        self.what.append("fragment")

    def pinged_by_client(self, payload: bytes) -> None:
        self.what.append((PING, payload))

    def ponged(self) -> None:
        self.what.append(PONG)

    def close_received(self, code: int) -> None:
        self.what.append((CLOSE, code))

    def broke_protocol(self, code: int) -> None:
        self.what.append(code)


def read(*pieces: bytes) -> list[Any]:
    heard = Heard()
    frames = Frames(heard)
    for piece in pieces:
        frames.feed(piece)
    return heard.what


def in_pieces(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, place = [], 0
    for size in sizes:
        pieces.append(data[place : place + size])
        place += size
    return [*pieces, data[place:]]


_sizes = st.sampled_from([0, 1, 2, 3, 4, 5, 125, 126, 127, 300, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX])
_payloads = _sizes.map(lambda size: bytes(number * 7 % 256 for number in range(size)))
_whole = st.tuples(st.sampled_from([TEXT, BINARY]), _payloads).map(lambda of: (frame(of[1], of[0]), [of]))
_pings = st.binary(max_size=125).map(lambda payload: (frame(payload, PING), [(PING, payload)]))
_pongs = st.binary(max_size=125).map(lambda payload: (frame(payload, PONG), [PONG]))


def _fragmented(of: tuple[int, list[bytes], bytes]) -> tuple[bytes, list[Any]]:
    opcode, parts, ping = of
    sent = [frame(part, opcode if not place else 0, fin=False) for place, part in enumerate(parts)]
    heard: list[Any] = ["fragment"] * len(parts)
    return (
        b"".join(sent) + frame(ping, PING) + frame(b"end", 0),
        [*heard, (PING, ping), (opcode, b"".join(parts) + b"end")],
    )


_fragments = st.tuples(
    st.sampled_from([TEXT, BINARY]),
    st.lists(st.binary(max_size=200), min_size=1, max_size=4),
    st.binary(max_size=9),
).map(_fragmented)
_conversations = st.lists(_whole | _pings | _pongs | _fragments, min_size=1, max_size=8)


@given(conversation=_conversations, sizes=st.lists(st.integers(0, 400), max_size=40))
@settings(max_examples=150, deadline=None)
def test_given_frames_in_pieces_of_any_size_when_read_then_all_that_was_sent_is_handed_on(
    conversation: list[tuple[bytes, list[Any]]], sizes: list[int]
) -> None:
    data = b"".join(sent for sent, _ in conversation)
    expected = [each for _, heard in conversation for each in heard]

    assert read(*in_pieces(data, sizes)) == expected
    assert read(*in_pieces(data[:700], [1] * 700)) == read(data[:700])


@given(conversation=_conversations, sizes=st.lists(st.integers(0, 400), max_size=20))
@settings(max_examples=50, deadline=None)
def test_given_an_unmasked_frame_behind_others_when_read_then_it_and_what_follows_is_refused(
    conversation: list[tuple[bytes, list[Any]]], sizes: list[int]
) -> None:
    data = b"".join(sent for sent, _ in conversation)
    expected = [each for _, heard in conversation for each in heard]
    bad = frame(PING_COMMAND, masked=False) + frame(PING_COMMAND)

    assert read(*in_pieces(data + bad, sizes)) == [*expected, 1002]


@given(data=st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_given_any_bytes_when_read_then_nothing_is_raised_and_nothing_follows_a_refusal(data: bytes) -> None:
    heard = read(data, data)

    refusals = [place for place, each in enumerate(heard) if isinstance(each, int) and each != PONG]
    assert refusals in ([], [len(heard) - 1])


HALF = FRAME_BYTES_MAX // 2 + 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(b"x", 3), 1002),
        (frame(b"x", 11), 1002),
        (frame(b"x", 0), 1002),
        (frame(b"x", BINARY, rsv=4), 1002),  # as a compressed message has it
        (frame(b"x", TEXT, rsv=2), 1002),
        (frame(b"x", PING, rsv=1), 1002),
        (frame(b"x" * 126, PING), 1002),
        (frame(b"x", PING, fin=False), 1002),
        (frame(b"x", fin=False) + frame(b"y"), 1002),
        (frame(b"\x00", CLOSE), 1002),
        *((frame(struct.pack(">H", code), CLOSE), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000)),
        (frame(b"\x03\xe8\xff", CLOSE), 1007),
        (frame(b"x" * (FRAME_BYTES_MAX + 1))[:8], 1009),
        (struct.pack(">BBQ", 0x81, 0xFF, 2**63), 1009),
        (frame(b"x" * HALF, fin=False) + frame(b"y" * HALF, 0), 1009),
        (frame(b"x" * HALF, fin=False) + frame(b"y" * HALF, 0, fin=False), 1009),
    ],
)  # fmt: skip
def test_given_what_is_not_websocket_or_too_big_when_read_then_it_is_refused_with_that_code(
    data: bytes, code: int
) -> None:
    heard = read(data.ljust(14, b"\x00"), frame(PING_COMMAND))

    assert [each for each in heard if each != "fragment"] == [code]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999])
def test_given_a_close_frame_when_read_then_its_code_is_handed_on(code: int) -> None:
    assert read(frame(struct.pack(">H", code) + "adieu \u2603".encode(), CLOSE)) == [(CLOSE, code)]
    assert read(frame(b"", CLOSE)) == [(CLOSE, 0)]


@pytest.mark.parametrize(
    "data",
    [
        frame(PING_COMMAND, masked=False),
        frame(b"", PING, masked=False),
        frame(b"\x03\xe8", CLOSE, masked=False),
        frame(b"[1,", fin=False) + frame(b'"ping",{}]', 0, masked=False),
    ],
)
async def test_given_an_unmasked_frame_when_sent_then_closed_with_1002_and_not_answered(
    client: Client, data: bytes
) -> None:
    async with raw_socket(client) as raw:
        raw.writer.write(data)
        assert await raw.close_code() == 1002


async def test_given_a_frame_right_behind_the_handshake_or_byte_by_byte_when_sent_then_it_is_answered(
    client: Client,
) -> None:
    async with raw_socket(client, behind=frame(PING_COMMAND)) as raw:
        for _ in range(2):
            _, payload = await raw.read()
            while not payload.startswith(b"[1,200,"):
                _, payload = await raw.read()
            for byte in frame(PING_COMMAND):
                raw.writer.write(bytes([byte]))
                await raw.writer.drain()


async def test_given_a_flood_of_empty_fragments_when_sent_then_they_count_as_frames(redis_url: str) -> None:
    async with running(settings_for(redis_url, ws_frames_per_second=20)) as client, raw_socket(client) as raw:
        raw.writer.write(frame(b"", fin=False) + frame(b"", 0, fin=False) * 60)
        assert await raw.close_code() == 4429
