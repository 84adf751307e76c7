"""Replies and frames, as they come over the wire in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from croupier_cli.load.frames import BINARY, FrameReader, masked
from croupier_cli.load.http_reply import read_reply
from croupier_cli.load.line import Unreadable

BODY = b'{"a":1}'


def reply(*headers: str, status: str = "HTTP/1.1 200 OK", body: bytes = BODY) -> bytes:
    return "\r\n".join([status, *headers, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("received", "stays"),
    [
        (reply("Server: x", "Content-Length: 7", "Date: y"), True),
        (reply("content-length: 7"), True),
        (reply("CONTENT-LENGTH:7"), True),
        (reply("Content-Length: 7", "Connection: close"), False),
        (reply("connection: Close", "content-length: 7"), False),
        (reply("Content-Length: 7", "Connection: keep-alive"), True),
        (reply("Content-Length: 7", "Connection: keep-alive", status="HTTP/1.0 200 OK"), True),
        (reply("Content-Length: 7", "Connection: close", status="HTTP/1.1 200"), False),
    ],
)
def test_given_a_reply_in_any_spelling_when_all_of_it_is_there_then_it_is_read(
    received: bytes, stays: bool
) -> None:
    for length in range(len(received)):
        assert read_reply(received[:length]) is None

    found = read_reply(received)

    assert found is not None
    assert (found.status, received[found.body : found.end], found.stays) == (200, BODY, stays)
    assert found.end == len(received)


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (reply("Transfer-Encoding: chunked"), "Transfer-Encoding"),
        (reply("Server: x"), "no Content-Length"),
        (reply("Content-Length: x"), "Content-Length b'x'"),
        (reply("Content-Length: -1"), "Content-Length"),
        (reply("Content-Length: 99999999999"), "Content-Length"),
        (b"SSH-2.0-x\r\n\r\n", "no HTTP/1.1"),
        (reply("Content-Length: 7", status="HTTP/1.1 100 Continue"), "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000, "head"),
    ],
)
def test_given_what_is_not_understood_then_it_is_said(received: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        read_reply(received)


def test_given_a_reply_that_has_no_body_then_no_length_is_needed() -> None:
    found = read_reply(reply("Server: x", status="HTTP/1.1 204 No Content", body=b""))

    assert found is not None
    assert (found.status, found.end - found.body) == (204, 0)


def server_frame(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x82, size)) + payload
    if size < 65_536:
        return bytes((0x82, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x82, 127)) + size.to_bytes(8, "big") + payload


@given(
    st.lists(st.sampled_from([0, 1, 125, 126, 300, 65_535, 65_536]), max_size=4),
    st.lists(st.integers(1, 70_000), max_size=20),
)
def test_given_frames_in_any_pieces_then_they_are_put_together(sizes: list[int], pieces: list[int]) -> None:
    payloads = [bytes([number]) * size for number, size in enumerate(sizes)]
    stream = b"".join(map(server_frame, payloads))
    reader, found = FrameReader(), []
    for piece in [*pieces, len(stream)]:
        found += reader.feed(stream[:piece])
        stream = stream[piece:]

    assert found == [(BINARY, payload) for payload in payloads]


@pytest.mark.parametrize("frame", [b"\x02\x01x", b"\x82\x81\x00\x00\x00\x00x"], ids=["a part", "masked"])
def test_given_a_frame_that_no_server_sends_whole_then_it_is_said(frame: bytes) -> None:
    with pytest.raises(Unreadable):
        FrameReader().feed(frame)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_given_a_payload_when_masked_then_mask_bit_and_length_are_there(size: int) -> None:
    frame = masked(b"x" * size, BINARY)

    assert frame[0] == 0x82
    assert frame[1] & 0x80
    unmasked = bytes((frame[0], frame[1] & 0x7F)) + frame[2 : -size - 4 if size else -4] + b"x" * size
    assert FrameReader().feed(unmasked) == [(BINARY, b"x" * size)]
