"""Any bytes over WebSockets: mutated frames and what is in them, and sockets that are left alone or not read."""

import contextlib
import json
import struct
from random import Random

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.raw_mutations import JSON_WORDS, Mutator, json_frames
from tests.fuzz.raw_support import EXAMPLES, SEED, Fire, under_fire
from tests.fuzz.raw_values import commands, json_object, keys
from tests.fuzz.raw_wire import (
    AT_ONCE,
    closing,
    converse,
    exchange,
    handshake,
    opened,
    require_all,
    require_socket,
)
from tests.http.support import token
from tests.ws.raw import BINARY, CLOSE, PING, PONG, TEXT, frame
from tests.ws.support import JSON, MONITOR, WS

ADMIN = token(4_243, role="admin")
CROWD = 200
LAST = frame(b'["last","ping",{}]') + closing()
FRAME_WORDS = (
    b"\x81\xfe\xff\xff", b"\x81\xff" + b"\xff" * 8, b"\x81\xff" + b"\0" * 8, b"\x01\x80\0\0\0\0", b"\x00\x80\0\0\0\0",
    b"\x80\x80\0\0\0\0", b"\xc1\x80\0\0\0\0", b"\x88\x80\0\0\0\0", b"\x88\x82\0\0\0\0\x03\xe7", b"\x89\xfd",
    b"\x8a\x80\0\0\0\0",
    b"\x83\x80\0\0\0\0", b"\x8f\x80\0\0\0\0", b"\x82\x00",
)  # fmt: skip


def frame_corpus() -> list[bytes]:
    """Valid frames of all kinds."""
    texts = json_frames()
    parts = frame(texts[0][:5], fin=False) + frame(b"", PING) + frame(texts[0][5:], 0)
    control = [frame(b"beat", PING), frame(b"", PONG), frame(struct.pack(">H", 1000) + b"bye", CLOSE)]
    return [
        *(frame(text) for text in texts),
        parts,
        *control,
        frame(texts[0]) + frame(texts[1]) + frame(b"x", PING),
    ]


def mutated_frames(port: int) -> None:
    """Frames that were valid, on all kinds of sockets."""
    random = Random(SEED)
    mutator = Mutator(random, frame_corpus(), FRAME_WORDS)
    openings = (handshake(JSON), handshake(JSON, WS), handshake(JSON, MONITOR, ADMIN))
    for _ in range(0, 2 * EXAMPLES, AT_ONCE):
        inputs = [random.choice(openings) + mutator.next() + LAST for _ in range(AT_ONCE)]
        for sent, received in zip(inputs, exchange(port, inputs), strict=True):
            require_socket(sent, received, TEXT)


def mutated_texts(port: int) -> None:
    """Whole frames with texts that were valid: the socket ends with 1007, or everything in them is answered."""
    mutator = Mutator(Random(SEED), json_frames(), JSON_WORDS)
    lasts = 0
    for _ in range(0, 2 * EXAMPLES, AT_ONCE):
        inputs = [handshake(JSON) + frame(mutator.next()) + LAST for _ in range(AT_ONCE)]
        for sent, received in zip(inputs, exchange(port, inputs), strict=True):
            replies = require_socket(sent, received, TEXT)
            lasts += any(reply[0] == "last" for reply in replies)
    assert lasts


_call = commands.flatmap(lambda command: st.tuples(st.just(command.name), json_object(command), keys))


def strange_values(port: int) -> None:
    """Commands of which members have any values: each has its answer, or the frame is none and the socket ends."""

    @seed(SEED)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(calls=st.lists(_call, min_size=1, max_size=5))
    def ask(calls: list[tuple[str, bytes, str]]) -> None:
        frames = [
            b'[%d,"%s",%s,%s]' % (number, name.encode(), arguments, json.dumps(key).encode())
            for number, (name, arguments, key) in enumerate(calls)
        ]
        sent = handshake(JSON, WS, ADMIN) + b"".join(frame(each) for each in frames)
        require_all(port, sent, set(range(len(calls))), TEXT)

    ask()


async def test_given_mutated_frames_and_strange_values_when_sent_then_all_is_answered_or_closed_and_sound(
    redis_url: str, database_url: str
) -> None:
    async with under_fire(redis_url, database_url) as fire:
        await fire.run(lambda: mutated_frames(fire.port))
        await fire.run(lambda: mutated_texts(fire.port))
        await fire.run(lambda: strange_values(fire.port))
        await crowd(fire)
        await fire.run(lambda: floods(fire.port))


LONG = frame(json.dumps([[number, "slot.spin", {"bet_amount": 7}] for number in range(60)]).encode())
LEFT = (
    b"",
    frame(json_frames()[0])[:-3],
    frame(b"[1,", fin=False),
    LONG * 4,  # more than a socket may have under way; and nothing of what it says is read
    frame(b"x" * 120, PING) * 50,
)


async def crowd(fire: Fire) -> None:
    """Sockets that were opened and left in the middle of something, beside the healthy client."""
    with contextlib.ExitStack() as stack:
        for number in range(CROWD):
            connection = stack.enter_context(opened(fire.port, receive_bytes=4_096))
            connection.setblocking(False)
            with contextlib.suppress(OSError):  # full
                connection.send(handshake(JSON, WS, token(5_000 + number)) + LEFT[number % len(LEFT)])
        await fire.go_on(20)


def floods(port: int) -> None:
    """Thousands of small frames at once: all of them are read, and what asks for an answer has one."""
    for piece, opcode in ((b"", PING), (b"", PONG), (b"", TEXT), (b'[1,"ping",{}]', TEXT), (b"\x90", BINARY)):
        sent = handshake(JSON) + frame(piece, opcode) * 3_000 + LAST
        require_socket(sent[:400], converse(port, sent), TEXT)
    fragments = frame(b"", fin=False) + frame(b"", 0, fin=False) * 3_000 + frame(b'[1,"ping",{}]', 0)
    sent = handshake(JSON) + fragments + LAST
    assert require_socket(sent[:400], converse(port, sent), TEXT)
