"""Script throughput at pipeline depth 32, beside the floor: one GET, one SET and one XADD in a script."""

import asyncio
import hashlib
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from bench.harness import RawConnection, batches, pack
from croupier import partition
from croupier.command import Caller, Command
from croupier.economy import canonical, load_economy, version
from croupier.engine import Engine
from croupier.fairness.seeds import MasterKeys
from croupier.gacha.pull import PULL
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_cli.embedded import Valkey
from croupier_schemas.economy import DailyLimit, Economy
from croupier_schemas.gacha import GachaPull
from croupier_schemas.records import PLAYER

DEPTH = 32
PLAYERS = 1_024

FLOOR = b"""#!lua
redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return redis.call('XADD', KEYS[2], '*', 'e', ARGV[2])
"""


class RecordingTransport(Transport):
    """Keeps the last script call as it would be written."""

    last = b""

    async def run(
        self, script: Any, keys: Sequence[Any], args: Sequence[Any], timeout_s: float = 2.0, **pin: Any
    ) -> Any:
        self.last = pack("EVALSHA", script.sha, len(keys), *keys, *args)
        return await super().run(script, keys, args, timeout_s, **pin)


def bench_economy() -> Economy:
    """The default economy without its limits: what is measured are pulls, not refusals."""
    economy = load_economy(None)
    gacha = msgspec.structs.replace(economy.gacha, daily_limit=DailyLimit(STANDARD=10_000))
    return msgspec.structs.replace(economy, gacha=gacha, initial_tokens=900_000_000_000_000)


async def record(valkey: Valkey, command: Command[Any, Any, Any], request: msgspec.Struct) -> list[bytes]:
    """One packed call per player, after each player has made a first one."""
    transport = RecordingTransport(valkey.url)
    await transport.open()
    try:
        return await _record(transport, command, request)
    finally:
        await transport.close()


async def _record(
    transport: RecordingTransport, command: Command[Any, Any, Any], request: msgspec.Struct
) -> list[bytes]:
    # The deadline travels in the packed call, so it must outlast the benchmark.
    settings = Settings(master_keys=MasterKeys.generate(), command_timeout_seconds=36_000)
    engine = Engine(transport, settings)
    await transport.call("FLUSHALL")
    assert await partition.open_epoch(
        transport, engine.scripts, 0, identity=str(transport.identity), head=None, epoch=1,
        installation="bench", last_entry="",
    )  # fmt: skip
    economy = bench_economy()
    await partition.push_economy(
        transport, engine.scripts, 0, economy=economy, version=version(economy), canonical=canonical(economy)
    )
    packed = []
    for uid in range(1, PLAYERS + 1):
        caller = Caller(uid, "STANDARD", "user", secrets.token_bytes(16))
        await engine.execute(command, caller, request)
        await engine.execute(command, caller, request)
        packed.append(transport.last)
    return packed


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A server as `croupier up` runs it: with its log of writes."""
    with Valkey.start(tmp_path_factory.mktemp("bench")) as server:
        yield server


@pytest.fixture
def raw(valkey: Valkey) -> Iterator[RawConnection]:
    connection = RawConnection(Path(valkey.socket_path))
    yield connection
    connection.close()


class Floor:
    """The floor script, to be timed in turn with what it is the floor of: load on the machine then hits both alike."""

    def __init__(self, raw: RawConnection, event_bytes: int) -> None:
        self._raw = raw
        raw.call("SCRIPT", "LOAD", FLOOR)
        sha = hashlib.sha1(FLOOR, usedforsecurity=False).hexdigest()
        record, event = b"r" * PLAYER.size, b"e" * event_bytes
        self._batches = list(
            batches(
                [
                    pack("EVALSHA", sha, 2, f"{{0}}:floor:{i}", "{0}:floor", record, event)
                    for i in range(PLAYERS)
                ],
                DEPTH,
            )
        )
        self.seconds: list[float] = []

    def run(self) -> None:
        """One round."""
        started = time.perf_counter()
        for batch in self._batches:
            self._raw.batch(batch, DEPTH)
        self.seconds.append(time.perf_counter() - started)
        self._raw.call("XTRIM", "{0}:floor", "MAXLEN", 1_000)


def last_event_bytes(raw: RawConnection) -> int:
    """Size of the newest event: the floor appends as much as the pull does."""
    outboxes: Any = raw.call("KEYS", "{0}:outbox:*")
    entries: Any = raw.call("XREVRANGE", outboxes[0], "+", "-", "COUNT", 1)
    return sum(len(value) for value in entries[0][1][1::2])


@pytest.mark.benchmark(group="script at pipeline depth 32, rounds of 1,024 players")
@pytest.mark.parametrize("draws", [1, 10])
def test_gacha_pull_beside_the_floor(
    benchmark: Any, valkey: Valkey, raw: RawConnection, draws: Literal[1, 10]
) -> None:
    commands = asyncio.run(record(valkey, PULL, GachaPull(count=draws)))
    reply = raw.batch(commands[0], 1)[0]
    assert isinstance(reply, list)
    assert reply[0] == b"OK", reply
    floor = Floor(raw, last_event_bytes(raw))
    prepared = list(batches(commands, DEPTH))

    def one_round() -> None:
        for batch in prepared:
            raw.batch(batch, DEPTH)

    benchmark.pedantic(one_round, setup=floor.run, rounds=40, iterations=1, warmup_rounds=2)
    pull_s, floor_s = benchmark.stats.stats.median, statistics.median(floor.seconds)
    benchmark.extra_info |= {
        "calls_per_s": round(PLAYERS / pull_s),
        "floor_calls_per_s": round(PLAYERS / floor_s),
        "of_floor": round(floor_s / pull_s, 3),
    }
