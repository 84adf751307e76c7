"""Any bytes in frames of msgpack: mutated ones, and commands whose arguments no encoder would make."""

from random import Random

import msgspec
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.raw_mutations import MSGPACK_WORDS, Mutator, msgpack_frames
from tests.fuzz.raw_support import EXAMPLES, SEED, under_fire
from tests.fuzz.raw_values import commands, keys, msgpack_object
from tests.fuzz.raw_wire import AT_ONCE, closing, exchange, handshake, require_all, require_socket
from tests.http.support import token
from tests.ws.raw import BINARY, frame
from tests.ws.support import MSGPACK, WS

ADMIN = token(4_243, role="admin")
_pack = msgspec.msgpack.encode
LAST = frame(_pack(["last", "ping", {}]), BINARY)


def mutated(port: int) -> None:
    """Frames that were valid."""
    mutator = Mutator(Random(SEED), msgpack_frames(), MSGPACK_WORDS)
    lasts = 0
    for _ in range(0, 4 * EXAMPLES, AT_ONCE):
        inputs = [
            handshake(MSGPACK) + frame(mutator.next(), BINARY) + LAST + closing() for _ in range(AT_ONCE)
        ]
        for sent, received in zip(inputs, exchange(port, inputs), strict=True):
            replies = require_socket(sent, received, BINARY)
            lasts += any(reply[0] == "last" for reply in replies)
    assert lasts


_call = commands.flatmap(lambda command: st.tuples(st.just(command.name), msgpack_object(command), keys))


def strange_values(port: int) -> None:
    """Commands of which members have any values: each has its answer, or the frame is none and the socket ends."""

    @seed(SEED)
    @settings(
        max_examples=2 * EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(calls=st.lists(_call, min_size=1, max_size=5))
    def ask(calls: list[tuple[str, bytes, str]]) -> None:
        frames = [
            b"\x94" + _pack(number) + _pack(name) + arguments + _pack(key)
            for number, (name, arguments, key) in enumerate(calls)
        ]
        sent = handshake(MSGPACK, WS, ADMIN) + b"".join(frame(each, BINARY) for each in frames)
        require_all(port, sent, set(range(len(calls))), BINARY)

    ask()


async def test_given_mutated_msgpack_and_strange_values_when_sent_then_all_is_answered_or_closed_and_sound(
    redis_url: str, database_url: str
) -> None:
    async with under_fire(redis_url, database_url) as fire:
        await fire.run(lambda: mutated(fire.port))
        await fire.run(lambda: strange_values(fire.port))
