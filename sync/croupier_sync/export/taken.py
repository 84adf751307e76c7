"""Which events the ClickHouse sink has taken beyond the place up to which it has them all."""

from collections.abc import Iterable, Mapping
from typing import Final

import asyncpg

from croupier.clickhouse import ClickHouse
from croupier_schemas.events import EventId
from croupier_sync.export.cursors import BEGINNING, Place

_QUERY_TIMEOUT_S: Final = 120.0
_WORDS_MAX: Final = 50_000_000

# By 64 at a time, so that many are few rows. (The embedded engine has no function that shifts.)
_TAKEN = """
SELECT epoch, intDiv(seq, 64) AS word, groupUniqArray(64)(seq % 64) AS places
FROM game_events WHERE partition = {partition:UInt32} AND (epoch, seq) > ({epoch:UInt64}, {seq:Int64})
GROUP BY epoch, word
"""
_FAILED = """
SELECT epoch, seq FROM export_failures
WHERE sink = 'clickhouse' AND partition = $1 AND (epoch, seq) > ($2::bigint, $3::bigint)
"""


class Taken:
    """A set of events: all up to a place in each partition, and single ones beyond it, perhaps millions."""

    def __init__(self, complete: Mapping[int, Place]) -> None:
        self.complete = dict(complete)
        # By partition, epoch and 64 events the bits of those that were taken.
        self._words: dict[tuple[int, int, int], int] = {}

    def __contains__(self, event: EventId) -> bool:
        if Place.of(event) <= self.complete.get(event.partition, BEGINNING):
            return True
        word = self._words.get((event.partition, event.epoch, event.seq >> 6), 0)
        return bool(word >> (event.seq & 63) & 1)

    def add(self, events: Iterable[EventId]) -> None:
        """These are taken now."""
        words = self._words
        for event in events:
            key = event.partition, event.epoch, event.seq >> 6
            words[key] = words.get(key, 0) | 1 << (event.seq & 63)

    def add_words(self, partition: int, epoch: int, word: int, bits: int) -> None:
        """Up to 64 at a time: those of seq `64 * word` and following whose bits are set."""
        key = partition, epoch, word
        self._words[key] = self._words.get(key, 0) | bits

    def complete_up_to(self, partition: int, place: Place) -> None:
        """All are taken up to there."""
        self.complete[partition] = place
        gone = [key for key in self._words if key[0] == partition and key[1:] < (place.epoch, place.seq >> 6)]
        for key in gone:
            del self._words[key]


async def read_taken(
    connection: asyncpg.Connection, clickhouse: ClickHouse, complete: Mapping[int, Place]
) -> Taken:
    """What ClickHouse has, and what is among the dead letters. No insert may be in doubt. Raises Away."""
    taken = Taken(complete)
    for partition, place in complete.items():
        # First the dead letters: one that is replayed is in ClickHouse before it is no dead letter any more.
        rows = await connection.fetch(_FAILED, partition, *place)
        taken.add(EventId(partition, row["epoch"], row["seq"]) for row in rows)
        parameters = {"partition": partition, "epoch": place.epoch, "seq": place.seq}
        words = await clickhouse.fetch(_TAKEN, parameters, timeout_s=_QUERY_TIMEOUT_S, rows_max=_WORDS_MAX)
        for word in words:
            bits = sum(1 << place for place in word["places"])
            taken.add_words(partition, word["epoch"], word["word"], bits)
    return taken
