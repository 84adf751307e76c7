"""Any bytes over HTTP: mutated requests, commands with strange values, and clients that take their time."""

import contextlib
import socket
from random import Random

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.raw_mutations import HTTP_WORDS, JSON_WORDS, Mutator, http_corpus
from tests.fuzz.raw_support import EXAMPLES, SEED, Fire, under_fire
from tests.fuzz.raw_values import commands, json_object, keys
from tests.fuzz.raw_wire import AT_ONCE, LAST, converse, exchange, opened, require_http, send
from tests.http.support import WALLET, token

BEARER = f"Authorization: Bearer {token(4_242, role='admin')}\r\n"
GET = f"GET {WALLET} HTTP/1.1\r\nHost: x\r\n{BEARER}".encode()
CROWD = 300
HEAD_SENT_MAX = 32 * 2**20
"""Bytes, more than the system keeps on its way."""


def mutated(port: int) -> None:
    """Requests that were valid."""
    mutator = Mutator(Random(SEED), http_corpus(), HTTP_WORDS + JSON_WORDS)
    answered = 0
    for _ in range(0, 4 * EXAMPLES, AT_ONCE):
        inputs = [mutator.next() + LAST for _ in range(AT_ONCE)]
        for sent, received in zip(inputs, exchange(port, inputs), strict=True):
            answered += require_http(sent, received)
    assert answered


_asked = commands.flatmap(lambda command: st.tuples(st.just(command.path), json_object(command), keys))


def strange_values(port: int) -> None:
    """Well-formed requests, of whose bodies members have any values: each has its answer."""

    @seed(SEED)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(asked=st.lists(_asked, min_size=1, max_size=5))
    def ask(asked: list[tuple[str, bytes, str]]) -> None:
        requests = [_post(*each) for each in asked]
        sent = b"".join(requests) + LAST
        received = converse(port, sent)
        assert require_http(sent, received) == len(requests) + 1, (sent, received)

    ask()


def _post(path: str, body: bytes, key: str) -> bytes:
    keyed = f"Idempotency-Key: {key}\r\n" if key else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\n{BEARER}Content-Type: application/json\r\n{keyed}"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def test_given_mutated_requests_and_strange_values_when_sent_then_all_is_answered_or_closed_and_sound(
    redis_url: str, database_url: str
) -> None:
    async with under_fire(redis_url, database_url) as fire:
        await fire.run(lambda: mutated(fire.port))
        await fire.run(lambda: strange_values(fire.port))
        await slow_clients(fire)
        await fire.run(lambda: endless_heads(fire.port))
        await fire.run(lambda: comings_and_goings(fire.port))


PAGE = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = (
    b"",
    b"GET / HT",
    GET + b"X-Slow: ",
    _post("/api/games/gacha/pull", b'{"count":1}', "")[:-5],
    PAGE * 40,  # and nothing of it is read
    b"\x16\x03\x01",
)


async def slow_clients(fire: Fire) -> None:
    """A crowd that has begun something and goes on a byte at a time, or not at all, beside the healthy client."""
    with contextlib.ExitStack() as stack:
        crowd = []
        for number in range(CROWD):
            connection = stack.enter_context(opened(fire.port, receive_bytes=4_096))
            send(connection, SLOW[number % len(SLOW)])
            connection.setblocking(False)
            crowd.append(connection)
        for _ in range(5):
            for connection in crowd:
                with contextlib.suppress(OSError):  # closed, or full
                    connection.send(b"a")
            await fire.go_on(2)


def endless_heads(port: int) -> None:
    """Headers without end: the server closes long before they have all come."""
    line = b"X-Filler: " + b"x" * 4_000 + b"\r\n"
    for begun, piece in (
        (GET, line),
        (GET, b"X:y\r\n" * 800),
        (b"", b"\r\n" * 2_000),
        (GET[:4], b"/" * 4_000),
    ):
        with opened(port) as connection:
            connection.sendall(begun)
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < HEAD_SENT_MAX:
                    connection.sendall(piece)
                    sent += len(piece)
            assert sent < HEAD_SENT_MAX, begun


def comings_and_goings(port: int) -> None:
    """Connections that end at once, with a reset or without, some in the middle of a request or before their reply."""
    random = Random(SEED)
    for _ in range(2 * CROWD):
        with opened(port) as connection:
            sent = random.choice((b"", GET[:20], GET + b"\r\n", PAGE, *SLOW))
            send(connection, sent)
            if random.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
