"""What the events of sessions mean for queries. Their rounds have rows of their own."""

from croupier.clock import utc
from croupier.sessions.recorded import session_of
from croupier_schemas.events import Event
from croupier_sync.projections.economy import Economies
from croupier_sync.projections.ledger import only_ledger
from croupier_sync.rows import Row, SessionRow


def started_or_ended(event: Event, economies: Economies) -> list[Row]:
    session_id, game, session = session_of(event)
    row = SessionRow(
        session_id=session_id,
        uid=event.header.uid,
        game_type=game,
        started_at=utc(session.started_at_ms),
        ended_at=utc(session.ended_at_ms) if session.ended_at_ms else None,
        rounds=session.rounds,
        bet=session.bet,
        win=session.win,
    )
    return [row, *only_ledger(event, economies)]
