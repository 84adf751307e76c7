"""What a round of any game means for queries: a game says what was bet and won, and the rows follow from that."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from croupier.clock import utc
from croupier_schemas.economy import Game
from croupier_schemas.events import Event
from croupier_schemas.records import Player
from croupier_sync.projections.ledger import ledger_lines
from croupier_sync.rows import HistoryRow, Row, StatsRow


class Round(NamedTuple):
    """What an event of a game did. `bet` and `win` are the tokens that it took and paid, `gems` the gems it took.

    `meta` is the outcome in the words of the command's reply, `player` the player's record as the event leaves it.
    """

    game: Game
    action: str
    bet: int
    win: int
    meta: Mapping[str, object]
    player: Player
    gems: int = 0


def move_rows(event: Event, played: Round) -> list[Row]:
    """History and ledger of an event that is a round, or a part of one."""
    delta = played.win - played.bet
    meta = msgspec.json.encode(played.meta).decode()
    history = HistoryRow(  # by position, as keywords take three times as long
        event.id.partition, event.id.epoch, event.id.seq, event.header.uid, played.game, played.action, delta,
        -played.gems, meta, utc(event.ts_ms),
    )  # fmt: skip
    return [history, *ledger_lines(event, played.player, tokens=delta, gems=-played.gems)]


def round_stats(event: Event, game: Game, *, bet: int, win: int) -> StatsRow:
    """What a round adds to its player's statistics, when it is over."""
    return StatsRow(
        event.header.uid, game, 1, int(win > bet), int(win < bet), bet, win, win, utc(event.ts_ms)
    )


def round_rows(event: Event, played: Round) -> list[Row]:
    """The rows of an event that is a whole round."""
    return [*move_rows(event, played), round_stats(event, played.game, bet=played.bet, win=played.win)]
