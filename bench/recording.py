"""Script calls recorded in advance, with the records they begin from, so that each round repeats exactly the same."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.harness import RawConnection, Timed, batches, clear, outbox, pack
from croupier import partition
from croupier.command import Caller, Command
from croupier.economy import canonical, load_economy, version
from croupier.engine import Engine
from croupier.fairness.seeds import MasterKeys
from croupier.op_id import OpIds
from croupier.scripts import Scripts
from croupier.settings import Settings
from croupier.transport import Transport
from croupier_schemas.economy import DailyLimit, Economy
from croupier_schemas.records import PLAYER

DEPTH = 32
PLAYERS = 1_024

_FLOOR = b"""#!lua
redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return redis.call('XADD', KEYS[2], '*', 'e', ARGV[2])
"""
_LONG_S = 36_000

Run = Callable[[Command[Any, Any, Any], msgspec.Struct], Awaitable[Any]]
"""Gives a command to the engine as the player at hand, and returns its reply."""


@dataclass(frozen=True)
class Case:
    """What is measured: a command. `before` is done for the same player first, `earlier_ms` ago, and `request` follows
    from its reply and the player's id. With `keyed` each call has an idempotency key of its own."""

    name: str
    command: Command[Any, Any, Any]
    before: Callable[[Run], Awaitable[Any]]
    request: Callable[[Any, int], msgspec.Struct]
    earlier_ms: int = 0
    keyed: bool = False


@dataclass(frozen=True)
class Recorded:
    """One packed call per player in batches of `DEPTH`, and what puts the records back to where they were before it."""

    calls: list[tuple[bytes, int]]
    restore: list[tuple[bytes, int]]

    def run(self, raw: RawConnection) -> None:
        for packed, count in self.calls:
            raw.batch(packed, count)

    def begin_again(self, raw: RawConnection) -> None:
        for packed, count in self.restore:
            raw.batch(packed, count)

    def must_succeed(self, raw: RawConnection) -> None:
        """What is timed are commands that do something."""
        self.begin_again(raw)
        replies: Any = raw.batch(*self.calls[0])
        assert {(reply[0], bool(reply[1])) for reply in replies} == {(b"OK", True)}, replies[0]


class _RecordingTransport(Transport):
    """Keeps the last script call as it would be written, and the records as they were before it."""

    last = b""
    _names: Sequence[str] = ()
    _values: "asyncio.Future[Any]"

    def start(
        self, script: Any, keys: Sequence[Any], args: Sequence[Any], timeout_s: float = 2.0, **pin: Any
    ) -> "asyncio.Future[Any]":
        self.last = pack("EVALSHA", script.sha, len(keys), *keys, *args)
        self._names = [
            keys[i]
            for i, key in enumerate(script.keys)
            if key.layout is not None or key.name == "idempotency"
        ]
        if self._names:
            self._values = self.send("MGET", *self._names)
        return super().start(script, keys, args, timeout_s, **pin)

    @property
    def before(self) -> list[tuple[str, bytes | None]]:
        return list(zip(self._names, self._values.result(), strict=True)) if self._names else []


def bench_economy() -> Economy:
    """The default economy, but for the daily limit."""
    economy = load_economy(None)
    return msgspec.structs.replace(
        economy,
        gacha=msgspec.structs.replace(economy.gacha, daily_limit=DailyLimit(STANDARD=10_000)),
        initial_tokens=900_000_000_000_000,
    )


async def record(
    redis_url: str,
    case: Case,
    *,
    uids: Sequence[int] = range(1, PLAYERS + 1),
    scripts: Scripts | None = None,
    master_keys: str | None = None,
) -> Recorded:
    """Record a case for these players.

    With `master_keys` in the casino that is there and whose keys they are, else in one opened for it in place of all
    that other benchmarks have left. `scripts` may be others than the product's.
    """
    transport = _RecordingTransport(redis_url)
    await transport.open()
    try:
        # The deadline travels in the packed call, and must outlast the benchmark; no command outlives its op id.
        settings = Settings(master_keys=master_keys or MasterKeys.generate(), command_timeout_seconds=_LONG_S)
        engine = Engine(transport, settings)
        earlier = Engine(transport, settings, clock_ms=lambda: int(time.time() * 1000) - case.earlier_ms)
        engine.scripts = earlier.scripts = scripts or engine.scripts
        if master_keys is None:
            await _open_casino(transport, engine.scripts, redis_url)
        calls, restore = [], []
        for uid in uids:
            prepared = await case.before(_player(earlier if case.earlier_ms else engine, uid))
            run = _player(engine, uid, f"benchmark-{uid}" if case.keyed else "")
            await run(case.command, case.request(prepared, uid))
            calls.append(transport.last)
            restore += [
                pack("DEL", name) if value is None else pack("SET", name, value)
                for name, value in transport.before
            ]
    finally:
        await transport.close()
    return Recorded(list(batches(calls, DEPTH)), list(batches(restore, DEPTH)))


async def _open_casino(transport: Transport, scripts: Scripts, redis_url: str) -> None:
    raw = RawConnection(redis_url)
    clear(raw)
    raw.close()
    assert await partition.open_epoch(
        transport, scripts, 0, identity=str(transport.identity), head=None, epoch=1, installation="standalone-bench",
        last_entry="",
    )  # fmt: skip
    economy = bench_economy()
    await partition.push_economy(
        transport, scripts, 0, economy=economy, version=version(economy), canonical=canonical(economy)
    )


_op_ids = OpIds(lambda: int((time.time() + _LONG_S) * 1000))


def _player(engine: Engine, uid: int, idempotency_key: str = "") -> Run:
    async def run(command: Command[Any, Any, Any], request: msgspec.Struct) -> Any:
        caller = Caller(uid, "STANDARD", "user", _op_ids.new(), idempotency_key)
        return (await engine.execute(command, caller, request)).reply

    return run


class Floor:
    """The floor script, to be timed in turn with what it is the floor of: load on the machine then hits both alike."""

    def __init__(self, raw: RawConnection, event_bytes: int) -> None:
        self._raw = raw
        raw.call("SCRIPT", "LOAD", _FLOOR)
        sha = hashlib.sha1(_FLOOR, usedforsecurity=False).hexdigest()
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
        self._timed = Timed(self._round)

    def run(self) -> None:
        """One round."""
        self._timed()
        self._raw.call("XTRIM", "{0}:floor", "MAXLEN", 1_000)

    def _round(self) -> None:
        for packed, count in self._batches:
            self._raw.batch(packed, count)

    @property
    def median_s(self) -> float:
        """Of a round, in seconds."""
        return self._timed.median_s


def last_event_bytes(raw: RawConnection) -> int:
    """Size of the newest event: the floor appends as much as the command does."""
    entries = raw.call("XREVRANGE", outbox(raw), "+", "-", "COUNT", 1)
    return sum(len(value) for value in entries[0][1][1::2])
