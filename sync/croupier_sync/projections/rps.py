"""What `rps.played` means for queries."""

from croupier.rps.played import Play
from croupier_schemas.events import Event
from croupier_schemas.records import RPS_MOVES, RPS_OUTCOMES
from croupier_sync.projections.economy import Economies
from croupier_sync.projections.rounds import Round, round_rows
from croupier_sync.rows import Row


def played(event: Event, _economies: Economies) -> list[Row]:
    play = Play.of_event(event)
    meta = {
        "player_move": RPS_MOVES[play.terms.player_move],
        "server_move": RPS_MOVES[play.played.server_move],
        "outcome": RPS_OUTCOMES[play.played.outcome],
        "deterministic": play.terms.deterministic,
        "bet_amount": play.terms.bet,
        "payout": play.played.payout,
    }
    return round_rows(event, Round("rps", "play", play.terms.bet, play.played.payout, meta, play.player))
