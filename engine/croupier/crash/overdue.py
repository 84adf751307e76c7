"""Counts the crash bets that should have been settled, in what Redis holds, whatever a sweeper has seen of them.

A round's crash point is worked out nowhere here: what is counted are rounds that are over even if they did not crash.
"""

from typing import Any, Final

from croupier.crash.rounds import duration_ms
from croupier.engine import Engine
from croupier.partition import PARTITIONS
from croupier_schemas import keys
from croupier_schemas.records import CRASH

COUNTED_MAX: Final = 500
"""Open bets that are looked at per partition, the oldest first, so that what this costs is bounded."""
GRACE_MS: Final = 5_000
"""A sweeper is late by less than that, even where it takes over from one that died."""


async def overdue_bets(engine: Engine) -> int:
    """How many of the oldest open bets are of rounds that must be over. Raises CroupierError NOT_READY."""
    return sum([await _of_partition(engine, partition) for partition in range(PARTITIONS)])


async def _of_partition(engine: Engine, partition: int) -> int:
    began_before_ms = engine.now_ms() - GRACE_MS
    players: Any = await engine.views.read(
        "ZRANGEBYSCORE", keys.crash_open(partition), "-inf", began_before_ms, "LIMIT", 0, COUNTED_MAX
    )
    if not players:
        return 0
    records: Any = await engine.views.read("MGET", *(keys.crash(partition, int(uid)) for uid in players))
    return sum(record is not None and _over(record, began_before_ms) for record in records)


def _over(record: bytes, by_ms: int) -> bool:
    """Whether it is an open bet whose round was over by then even if it did not crash before its target."""
    try:
        crash = CRASH.unpack(record)
    except ValueError:  # of another layout: no sweeper can read it either
        return True
    if not crash.bet:  # settled since the index was read
        return False
    longest_ms = duration_ms(crash.target_m100, crash.target_m100, crash.cap_m100, crash.growth_ppm)
    return crash.started_at_ms + longest_ms <= by_ms
