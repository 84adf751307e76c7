"""A thousand players beside a million: how long the pull's script takes, and how much memory a player does.

Some of the million really play, and the others are copies of one of them, put there by a script. The two servers are
called in turn. Of the million, 32,768 players spread over all of them pull in a round, so that records and index come
from memory and not from the processor's caches; of the thousand, all do.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any, Final

import pytest

from bench.commands import PULL_AGAIN
from bench.harness import RawConnection, Timed, outbox, server_cpu_s, sized
from bench.recording import PLAYERS, record
from bench.target import OPEN_TO_ALL, unrestricted
from croupier_cli.embedded import Valkey
from croupier_schemas import keys

MANY: Final = 1_000_000
PLAYING: Final = 32_768
ROUNDS = 8
BANNER: Final = "standard"

_COPIES_AT_ONCE: Final = 1_000
_NEVER_REWRITTEN: Final = ("--auto-aof-rewrite-percentage", "0")
# Names of keys are made in it, which the product's scripts never do: this server has all of them.
_COPY = """
local player, gacha, copies = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), 0
for uid = ARGV[1], ARGV[2] do
  if redis.call('SET', '{0}:player:' .. string.format('%d', uid), player, 'NX') then
    redis.call('SET', '{0}:gacha:' .. string.format('%d', uid) .. ':' .. ARGV[3], gacha)
    copies = copies + 1
  end
end
return copies
"""


class Side:
    """A server, and what its players do in a round: one pull each."""

    def __init__(self, valkey: Valkey, uids: range) -> None:
        self._raw = RawConnection(unrestricted(valkey.url))
        self._recorded = asyncio.run(record(valkey.url, PULL_AGAIN, uids=uids))
        self._recorded.must_succeed(self._raw)
        self._outbox = outbox(self._raw)
        self._pulls = len(uids)
        self._cpu = Timed(lambda: self._recorded.run(self._raw), clock=lambda: server_cpu_s(self._raw))

    def pull(self) -> None:
        """One round, from the same records as every other; the log stays short."""
        self._recorded.begin_again(self._raw)
        self._raw.call("XTRIM", self._outbox, "MAXLEN", 1_000)
        self._cpu()

    @property
    def cpu_us_per_call(self) -> float:
        """CPU time of the server's main thread, of the median round."""
        return self._cpu.median_s / self._pulls * 1e6

    def copy_a_player(self, uid: int, last: int) -> float:
        """Give everyone up to `last` who has no records those of this player; bytes of memory for each."""
        self._raw.call("XTRIM", self._outbox, "MAXLEN", 0)
        names = keys.player(0, uid), keys.gacha(0, uid, BANNER)
        bytes_before = self._used_memory()
        copies: int = sum(
            self._raw.call("EVAL", _COPY, 2, *names, first, min(first + _COPIES_AT_ONCE - 1, last), BANNER)
            for first in range(1, last + 1, _COPIES_AT_ONCE)
        )
        assert copies == last - self._pulls
        return (self._used_memory() - bytes_before) / copies

    def memory_of(self, uid: int) -> int:
        """Bytes of the records of one player, as the server counts them."""
        names = keys.player(0, uid), keys.gacha(0, uid, BANNER)
        return sum(int(self._raw.call("MEMORY", "USAGE", name)) for name in names)

    def _used_memory(self) -> int:
        return int(self._raw.info("memory")["used_memory"])

    def close(self) -> None:
        self._raw.close()


@pytest.mark.benchmark(group=f"gacha.pull at {MANY:,} players beside {PLAYERS:,}")
def test_many_players_beside_few(benchmark: Any, tmp_path: Path) -> None:
    players = sized(benchmark, MANY, 10_000)
    playing = sized(benchmark, PLAYING, 1_024)
    step = players // playing
    with contextlib.ExitStack() as opened:
        servers = [
            opened.enter_context(Valkey.start(tmp_path / name, extra=(*_NEVER_REWRITTEN, *OPEN_TO_ALL)))
            for name in ("few", "many")
        ]
        few, many = (
            opened.enter_context(contextlib.closing(Side(valkey, uids)))
            for valkey, uids in zip(
                servers, (range(1, PLAYERS + 1), range(1, playing * step + 1, step)), strict=True
            )
        )
        bytes_each = many.copy_a_player(1, players)

        benchmark.pedantic(many.pull, setup=few.pull, rounds=ROUNDS, iterations=1, warmup_rounds=1)

        benchmark.extra_info |= {
            "players": players,
            "us_per_call": round(many.cpu_us_per_call, 1),
            "us_per_call_at_1_thousand": round(few.cpu_us_per_call, 1),
            "time_of_1_thousand": round(many.cpu_us_per_call / few.cpu_us_per_call, 3),
            "bytes_per_player": round(bytes_each),
            "bytes_of_records": many.memory_of(1),
        }
