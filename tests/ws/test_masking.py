"""Frames that a client does not mask, as every client must."""

import random

import pytest

from croupier_http.ws.masking import Heads
from tests.http.support import Client
from tests.ws.raw import CLOSE, PING, TEXT, frame, raw_socket

PING_COMMAND = b'[1,"ping",{}]'


@pytest.mark.parametrize(
    "data",
    [
        frame(PING_COMMAND, masked=False),
        frame(b"", PING, masked=False),
        frame(b"\x03\xe8", CLOSE, masked=False),
        frame(b"x" * 300, masked=False),
        frame(b"[1,", fin=False) + frame(b'"ping",{}]', 0, masked=False),
        frame(PING_COMMAND) + frame(PING_COMMAND, masked=False),
    ],
)
async def test_given_an_unmasked_frame_when_sent_then_closed_with_1002_and_not_answered(
    client: Client, data: bytes
) -> None:
    async with raw_socket(client) as raw:
        raw.writer.write(data)
        assert await raw.close_code() == 1002


async def test_given_a_masked_frame_byte_by_byte_and_then_an_unmasked_one_when_sent_then_only_that_is_refused(
    client: Client,
) -> None:
    async with raw_socket(client) as raw:
        for byte in frame(PING_COMMAND):
            raw.writer.write(bytes([byte]))
            await raw.writer.drain()
        _, payload = await raw.read()
        while not payload.startswith(b"[1,200,"):
            _, payload = await raw.read()
        raw.writer.write(frame(PING_COMMAND, masked=False))
        assert await raw.close_code() == 1002


@pytest.mark.parametrize("unmasked", [None, 0, 7, 19])
def test_given_frames_in_pieces_of_any_size_when_followed_then_the_unmasked_one_is_found(
    unmasked: int | None,
) -> None:
    generator = random.Random(5)
    sizes = (0, 1, 125, 126, 300, 65_535, 65_536, 70_000)
    for _ in range(40):
        frames = [
            frame(b"\x05" * generator.choice(sizes), TEXT, masked=number != unmasked) for number in range(20)
        ]
        data, heads, place, all_masked = b"".join(frames), Heads(), 0, True
        while place < len(data) and all_masked:
            until = place + generator.choice((1, 2, 3, 9, 1_000, 100_000))
            all_masked = heads.are_masked(data[place:until])
            place = until
        assert all_masked is (unmasked is None)
