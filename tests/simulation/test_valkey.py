"""The model Valkey answers as the real one does, and leaves the same keys."""

import asyncio
import socket
from collections.abc import Iterator
from random import Random
from typing import Any

import hiredis
import pytest

from croupier.transport import Address
from croupier.transport.connection import pack
from croupier_cli.embedded import Valkey as RealValkey
from tests.redis_server import administrator_url
from tests.simulation.courses import course
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.network import Network, Weather
from tests.simulation.process import Process
from tests.simulation.scenario import simulate
from tests.simulation.valkey.log import Log
from tests.simulation.valkey.server import Valkey, encoded, replayed
from tests.simulation.valkey.store import Reply

NOW_MS = 4_000_000_000_000


class RealClient:
    """Sends one command after the other to the real server."""

    def __init__(self, url: str) -> None:
        address = Address.from_url(url)
        self.url = url
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address.socket_path)
        self._reader = hiredis.Reader()
        self.call([b"AUTH", address.username.encode(), address.password.encode()])

    def call(self, words: list[bytes]) -> Any:
        self._socket.sendall(pack(tuple(words)))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(65_536))
        return reply

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def real(valkey: RealValkey, redis_url: str) -> Iterator[RealClient]:
    client = RealClient(administrator_url(redis_url))
    yield client
    client.close()


@pytest.fixture
def model() -> Iterator["ModelClient"]:
    client = ModelClient()
    yield client
    client.close()


class ModelClient:
    """Sends one command after the other to a model server."""

    def __init__(self) -> None:
        self.loop = VirtualLoop(0.0)
        self.server = Valkey(
            self.loop, "valkey", Log(), Random(1), lambda: NOW_MS + int(self.loop.now_s * 1000)
        )
        self.network = Network(self.loop, Weather(Random(1)))
        self.network.hosts["valkey"] = self.server
        self.loop.dialler = self.network

    def course(self, commands: list[list[bytes]]) -> list[Any]:
        replies: list[Any] = run(self.loop, self._inside(commands))
        return replies

    def close(self) -> None:
        self.loop.close()

    async def _inside(self, commands: list[list[bytes]]) -> list[Any]:
        return await Process(self.loop, "client").start(self._ask(commands))

    async def _ask(self, commands: list[list[bytes]]) -> list[Any]:
        reader, writer = await asyncio.open_connection("valkey", 1)
        parser, replies = hiredis.Reader(), []
        for words in commands:
            writer.write(pack(tuple(words)))
            while (reply := parser.gets()) is False:
                parser.feed(await reader.read(65_536))
            replies.append(reply)
        writer.close()
        await writer.wait_closed()
        return replies


def comparable(reply: Any) -> Any:
    """An error by its code, because scripts' texts name lines; what has no order without it."""
    return str(reply).split(" ")[0] if isinstance(reply, Exception) else reply


@pytest.mark.parametrize("seed", range(12))
def test_given_the_same_course_of_commands_when_run_on_both_then_replies_and_keys_are_the_same(
    real: RealClient, model: "ModelClient", seed: int
) -> None:
    commands = course(Random(seed), 400)

    replies = model.course(commands)

    for words, reply in zip(commands, replies, strict=True):
        expected = real.call(words)
        assert comparable(reply) == comparable(expected), words
    looks = [[b"KEYS", b"*"], *([b"TYPE", key] for key in sorted(real.call([b"KEYS", b"*"])))]
    for words, reply in zip(looks, model.course(looks), strict=True):
        expected = real.call(words)
        assert sorted(reply) == sorted(expected) if words[0] == b"KEYS" else reply == expected


def test_given_channels_that_come_and_go_when_asked_who_listens_then_both_servers_say_the_same(
    real: RealClient, model: "ModelClient"
) -> None:
    commands = [
        [b"SUBSCRIBE", b"one"], [b"SUBSCRIBE", b"two"], [b"SUBSCRIBE", b"two"], [b"UNSUBSCRIBE", b"one"],
        [b"UNSUBSCRIBE", b"one"], [b"SUBSCRIBE", b"one"], [b"UNSUBSCRIBE", b"one"],
    ]  # fmt: skip

    asking = [b"PUBSUB", b"NUMSUB", b"one", b"two"]
    other = RealClient(real.url)  # the model lets the one that listens ask too

    replies = model.course([*commands, asking])

    assert replies == [*map(real.call, commands), other.call(asking)]
    assert replies[-1] == [b"one", 0, b"two", 1]
    other.close()


_OF_THE_SERVER = (b"INFO", b"CLIENT", b"TIME", b"PUBLISH", b"SCRIPT", b"SCAN")
_READ_WHOLE = {
    b"string": (b"GET",), b"hash": (b"HGETALL",), b"zset": (b"ZRANGE", b"0", b"-1", b"WITHSCORES"),
    b"stream": (b"XRANGE", b"-", b"+"),
}  # fmt: skip


@pytest.mark.parametrize("seed", [3, 33])
def test_given_what_the_product_sent_in_a_course_when_sent_to_the_real_server_then_replies_and_keys_are_the_same(
    real: RealClient, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    server, sent = _recorded(monkeypatch, seed)

    for words, reply, now_ms in sent:
        expected = real.call(_as_of(words, server.scripts, now_ms))
        assert comparable(reply) == comparable(expected), words

    names = sorted(real.call([b"KEYS", b"*"]))
    assert names == sorted(name for name in server.store.keys if not name.endswith(b":sweeper"))
    for name in names:
        command, *words = _READ_WHOLE[real.call([b"TYPE", name])]
        held: Any = server.execute([command, name, *words])
        expected = real.call([command, name, *words])
        if command == b"HGETALL":  # in no order
            held, expected = pairs(held), pairs(expected)
        else:
            held = parsed(encoded(held))
        assert held == expected


def _recorded(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> tuple[Valkey, list[tuple[list[bytes], Any, int]]]:
    """The server of a course without faults, and what was sent to it, with replies and the time of each in ms.

    Without what depends on the server rather than on its keys, such as a lease that runs out by its clock.
    """
    sent: list[tuple[list[bytes], Any, int]] = []
    servers: list[Valkey] = []
    execute = Valkey.execute

    def recording(server: Valkey, words: list[bytes]) -> Reply:
        servers[:] = [server]
        reply = execute(server, words)
        if words[0] not in _OF_THE_SERVER and not any(word.endswith(b":sweeper") for word in words):
            sent.append((words, parsed(encoded(reply)), server.clock_ms()))
        return reply

    monkeypatch.setattr(Valkey, "execute", recording)
    simulate(seed, calm=True)
    monkeypatch.undo()
    assert sum(words[0] == b"EVALSHA" for words, _, _ in sent) > 50
    return servers[0], sent


def _as_of(words: list[bytes], scripts: dict[bytes, bytes], now_ms: int) -> list[bytes]:
    """The same command for a server with another clock: a script with the time in its place."""
    if words[0] != b"EVALSHA":
        return words
    time = b"{'%d', '%d'}" % (now_ms // 1_000, now_ms % 1_000 * 1_000)
    return [b"EVAL", scripts[words[1]].replace(b"call('TIME')", time), *words[2:]]


def pairs(fields: Any) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


def parsed(reply: bytes) -> Any:
    parser = hiredis.Reader()
    parser.feed(reply)
    return parser.gets()


@pytest.mark.parametrize("seed", range(4))
def test_given_a_log_when_it_is_replayed_then_it_makes_the_store_that_wrote_it(
    model: "ModelClient", seed: int
) -> None:
    model.course(course(Random(seed), 300))

    again = replayed(model.server.log, len(model.server.log.units), lambda: NOW_MS)

    assert again.keys == model.server.store.keys
    assert again.expires_ms == model.server.store.expires_ms
