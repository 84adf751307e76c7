"""From events to the rows that queries read: one pure function per type of event.

Adding a type of event is a function and a line in `PROJECTIONS`; adding a table is a row type in `rows` and a writer in
`tables`. The rows of a game's round follow from a few words about it: see `rounds`.
"""

from collections.abc import Callable, Mapping, Sequence

from croupier_schemas.events import Event
from croupier_sync.projections import crash, gacha, pools, rewards, rps, sessions, slot
from croupier_sync.projections.economy import ECONOMY_CHANGED, Economies, economy_changed
from croupier_sync.projections.ledger import only_ledger
from croupier_sync.rows import Row

PROJECTIONS: Mapping[str, Callable[[Event, Economies], Sequence[Row]]] = {
    ECONOMY_CHANGED: economy_changed,
    "pool.added": pools.pool_rows,
    "fairness.rotated": only_ledger,
    "gacha.pulled": gacha.pulled,
    "crash.bet_placed": crash.bet_placed,
    "crash.settled": crash.settled,
    "slot.spun": slot.spun,
    "rps.played": rps.played,
    "rewards.granted": rewards.granted,
    "session.started": sessions.started_or_ended,
    "session.ended": sessions.started_or_ended,
    "actions.recorded": only_ledger,
}
"""By type of event. A type without a function has no rows."""
