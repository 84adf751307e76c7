"""What a round of any game means for queries: a game says what was bet and won, and the rows follow from that."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from croupier.clock import utc
from croupier_schemas.economy import Game
from croupier_schemas.events import Event
from croupier_sync.projections.ledger import ledger_lines
from croupier_sync.rows import HistoryRow, Row, StatsRow


class Round(NamedTuple):
    """What an event of a game did. `bet` and `win` are the tokens that it took and paid, `gems` the gems it took.

    `meta` is the outcome in the words of the command's reply.
    """

    game: Game
    action: str
    bet: int
    win: int
    meta: Mapping[str, object]
    gems: int = 0


def move_rows(event: Event, played: Round) -> list[Row]:
    """History and ledger of an event that is a round, or a part of one."""
    delta = played.win - played.bet
    history = HistoryRow(
        partition=event.id.partition,
        epoch=event.id.epoch,
        seq=event.id.seq,
        uid=event.header.uid,
        game_type=played.game,
        action_type=played.action,
        delta_coin=delta,
        delta_gem=-played.gems,
        result_meta=msgspec.json.encode(played.meta).decode(),
        created_at=utc(event.ts_ms),
    )
    return [history, *ledger_lines(event, tokens=delta, gems=-played.gems)]


def round_stats(event: Event, game: Game, *, bet: int, win: int) -> StatsRow:
    """What a round adds to its player's statistics, when it is over."""
    return StatsRow(
        uid=event.header.uid,
        game_type=game,
        rounds=1,
        wins=int(win > bet),
        losses=int(win < bet),
        total_bet=bet,
        total_win=win,
        biggest_win=win,
        last_played_at=utc(event.ts_ms),
    )


def round_rows(event: Event, played: Round) -> list[Row]:
    """The rows of an event that is a whole round."""
    return [*move_rows(event, played), round_stats(event, played.game, bet=played.bet, win=played.win)]
