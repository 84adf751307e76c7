"""Reading the log of a partition from its first event to its last, with every check that goes event by event."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import asyncpg
import msgspec

from croupier.economy import EconomyError, from_canonical
from croupier.event_log import event_of_row
from croupier.gacha.table import CompiledEconomy, compile_economy
from croupier_schemas.events import SYSTEM, Event, EventId
from croupier_sync.digests import COLUMNS
from croupier_sync.rebuild import ROWS_AT_ONCE, Progress
from croupier_sync.verification.chain import Chain
from croupier_sync.verification.findings import Findings
from croupier_sync.verification.flows import Flow
from croupier_sync.verification.games import Games
from croupier_sync.verification.outcomes import Outcomes
from croupier_sync.verification.players import Players
from croupier_sync.verification.pools import Pools
from croupier_sync.verification.projected import Projections
from croupier_sync.verification.state import State

TIMEOUT_S: Final = 3_600.0

_EVENTS = f"SELECT {', '.join(COLUMNS)}, digest FROM events WHERE partition = $1 ORDER BY epoch, seq"
_COUNT = "SELECT count(*) FROM events WHERE partition = $1"
_ADOPTIONS = "SELECT last_entry, first_entry FROM adoptions WHERE partition = $1"
_ECONOMIES = "SELECT version, canonical FROM economy_versions"

_SYSTEM_TYPES: Final = frozenset({"epoch.opened", "economy.changed", "pool.added"})

# What reading an event that was tampered with may raise: bad bytes, an index or a name that is not there.
_UNREADABLE: Final = (ValueError, LookupError, TypeError, msgspec.MsgspecError, OverflowError)


async def read_economies(connection: asyncpg.Connection, findings: Findings) -> dict[bytes, CompiledEconomy]:
    """The stored economies by version, 32 bytes. One whose canonical form is not that of its version is a problem."""
    economies = {}
    for row in await connection.fetch(_ECONOMIES, timeout=TIMEOUT_S):
        version, canonical = row["version"], row["canonical"]
        if sha256(canonical).hexdigest() != version:
            findings.add("economies", f"the stored form of economy {version} is not what its version says")
        try:
            economies[bytes.fromhex(version)] = compile_economy(from_canonical(canonical), version)
        except (EconomyError, *_UNREADABLE) as error:
            findings.add("economies", f"economy {version} cannot be read: {error}")
    return economies


class Replay:
    """One partition's log, read once. Afterwards `state`, `players`, `pools` and `last` are where it leads.

    Where an adoption has left events out, the ones after it are followed from what they bring themselves.
    """

    def __init__(
        self,
        partition: int,
        economies: Mapping[bytes, CompiledEconomy],
        outcomes: Outcomes,
        findings: Findings,
    ) -> None:
        self.partition = partition
        self._economies = economies
        self._outcomes = outcomes
        self._findings = findings
        self._chain = Chain(findings)
        self._games = Games(findings)
        self.players = Players(findings)
        self.pools = Pools(partition, findings)
        self.state = State(partition)
        self.events = 0
        self.without_digest = 0
        self.last: Event | None = None
        self._gaps: dict[EventId, EventId] = {}

    async def run(self, connection: asyncpg.Connection, progress: Progress | None) -> None:
        """Read all events that the connection's transaction sees."""
        total = await connection.fetchval(_COUNT, self.partition, timeout=TIMEOUT_S)
        self._gaps = {
            self._id(row["first_entry"]): self._id(row["last_entry"])
            for row in await connection.fetch(_ADOPTIONS, self.partition, timeout=TIMEOUT_S)
        }
        projections = Projections(connection, self.partition, self._economies, self._findings)
        cursor = await connection.cursor(_EVENTS, self.partition, timeout=TIMEOUT_S)
        while rows := await cursor.fetch(ROWS_AT_ONCE, timeout=TIMEOUT_S):
            await projections.compare([read for row in rows if (read := self._show(row)) is not None])
            self.events += len(rows)
            if progress is not None:
                progress(self.events, total)
        self._chain.end()
        await projections.end()

    def _id(self, entry: str) -> EventId:
        return EventId.parse(f"{self.partition}-{entry}")

    def _show(self, row: asyncpg.Record) -> tuple[Event, Flow | None] | None:
        """The next event, with its flow as far as it is known; None where it cannot be read."""
        event_id = EventId(row["partition"], row["epoch"], row["seq"])
        if event_id in self._gaps and self._gaps[event_id] == self._chain.last:
            self._chain.pass_over(event_id)
            self.state.forget()
            self.pools.forget()
        *columns, digest = row
        self.without_digest += digest is None
        self._chain.show(tuple(columns), digest)
        return self._read(event_id, row)

    def _read(self, event_id: EventId, row: asyncpg.Record) -> tuple[Event, Flow | None] | None:
        flow = None
        try:
            event = event_of_row(event_id, row)
        except _UNREADABLE as error:
            self._findings.add("readable", f"its changes cannot be read: {error}", event_id)
            return None
        self.last = event
        try:
            flow = self._check(event)
        except _UNREADABLE as error:
            self._findings.add("readable", f"it cannot be read: {error!r}", event_id)
        self.state.play(event)
        return event, flow

    def _check(self, event: Event) -> Flow | None:
        economy = self._economies.get(event.header.economy)
        if event.header.uid == SYSTEM:
            if event.header.type not in _SYSTEM_TYPES:
                raise ValueError(f"{event.header.type} is no event without a player")
            self.pools.check(event, economy)
            return None
        if economy is None:
            raise ValueError(f"economy {event.header.economy.hex()} is not known")
        flow = self.players.check(event, self.state, economy)
        self._games.check(event, self.state, economy)
        self.pools.check(event, economy)
        self._outcomes.check(event, economy)
        return flow
