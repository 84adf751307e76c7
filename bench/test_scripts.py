"""Script throughput at pipeline depth 32, beside the floor: one GET, one SET and one XADD in a script."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

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
EVENT_BYTES = 360
"""Size of a `gacha.pulled` event of one draw: the floor reads, writes and appends as many bytes as the pull does."""

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


async def record(
    valkey: Valkey, command: Command[Any, Any, Any], request: msgspec.Struct, *, key: bool
) -> list[bytes]:
    """One packed call per player, after each player has made a first one."""
    transport = RecordingTransport(valkey.url)
    await transport.open()
    try:
        return await _record(transport, command, request, key=key)
    finally:
        await transport.close()


async def _record(
    transport: RecordingTransport, command: Command[Any, Any, Any], request: msgspec.Struct, *, key: bool
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
        if key:
            caller = msgspec.structs.replace(caller, idempotency_key=secrets.token_hex(16))
        await engine.execute(command, caller, request)
        packed.append(transport.last)
    return packed


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey.start(tmp_path_factory.mktemp("bench"), appendonly=False) as server:
        yield server


@pytest.fixture
def raw(valkey: Valkey) -> Iterator[RawConnection]:
    connection = RawConnection(Path(valkey.socket_path))
    yield connection
    connection.close()


def measure(benchmark: Any, raw: RawConnection, commands: list[bytes]) -> None:
    """Rounds of all the commands, each round in batches of `DEPTH`; operations per second are in `extra_info`."""
    prepared = list(batches(commands, DEPTH))

    def one_round() -> None:
        for batch in prepared:
            raw.batch(batch, DEPTH)

    one_round()
    raw.call("CONFIG", "RESETSTAT")
    benchmark.pedantic(one_round, rounds=15, iterations=1, warmup_rounds=1)
    stats = raw.call("INFO", "commandstats")
    assert isinstance(stats, bytes)
    line = next(line for line in stats.decode().splitlines() if line.startswith("cmdstat_evalsha:"))
    benchmark.extra_info["calls_per_s"] = round(len(commands) / benchmark.stats.stats.median)
    benchmark.extra_info["usec_per_call"] = float(line.split("usec_per_call=")[1].split(",")[0])


@pytest.mark.benchmark(group="script, depth 32")
def test_floor(benchmark: Any, raw: RawConnection) -> None:
    raw.call("FLUSHALL")
    raw.call("SCRIPT", "LOAD", FLOOR)
    sha = hashlib.sha1(FLOOR, usedforsecurity=False).hexdigest()
    record, event = b"r" * PLAYER.size, b"e" * EVENT_BYTES
    commands = [pack("EVALSHA", sha, 2, f"{{0}}:k:{i}", "{0}:stream", record, event) for i in range(PLAYERS)]
    measure(benchmark, raw, commands)


@pytest.mark.benchmark(group="script, depth 32")
@pytest.mark.parametrize(
    ("name", "request_", "key"),
    [
        ("pull", GachaPull(), False),
        ("pull from limited stock", GachaPull(banner="festival"), False),
        ("ten-pull", GachaPull(count=10), False),
    ],
    ids=["pull", "pull-limited", "ten-pull"],
)
def test_pull(
    benchmark: Any, valkey: Valkey, raw: RawConnection, name: str, request_: GachaPull, key: bool
) -> None:
    commands = asyncio.run(record(valkey, PULL, request_, key=key))
    reply = raw.batch(commands[0], 1)[0]
    assert isinstance(reply, list)
    assert reply[0] == b"OK", reply
    measure(benchmark, raw, commands)
