"""What the events of a crash round mean for queries: its bet and its settlement are two lines of the history."""

from croupier.clock import utc
from croupier.crash.settled import Settlement
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import CRASH
from croupier_sync.projections.economy import Economies
from croupier_sync.projections.ledger import player_after
from croupier_sync.projections.rounds import Round, move_rows, round_stats
from croupier_sync.rows import CrashRow, Row

# The history's word for how a round ended: a player cashes it out, or it ends by itself.
_ACTIONS = {"cashed": "cashout", "auto": "auto", "crashed": "crashed"}


def bet_placed(event: Event, _economies: Economies) -> list[Row]:
    crash = CRASH.unpack(event.image(keys.crash(event.id.partition, event.header.uid)) or b"")
    auto_cashout_m100 = _auto_cashout(crash.target_m100, crash.cap_m100)
    meta = {
        "game_id": crash.game.hex(),
        "bet_amount": crash.bet,
        "auto_cashout": _multiplier(auto_cashout_m100),
    }
    session = CrashRow(
        external_session_id=crash.game.hex(),
        uid=event.header.uid,
        status="active",
        bet_amount=crash.bet,
        auto_cashout_m100=auto_cashout_m100,
        cashout_multiplier_m100=None,
        crash_multiplier_m100=None,
        payout_amount=None,
        started_at=utc(crash.started_at_ms),
        cashed_out_at=None,
    )
    return [*move_rows(event, Round("crash", "bet", crash.bet, 0, meta, player_after(event))), session]


def settled(event: Event, _economies: Economies) -> list[Row]:
    settlement = Settlement.of_event(event)
    crash, played, outcome = settlement.crash, settlement.played, settlement.outcome
    if played is None:
        raise ValueError(f"event {event.id} does not bring the round that it settled")
    paid_m100 = None if outcome == "crashed" else crash.settled_m100
    meta = {
        "game_id": crash.settled_game.hex(),
        "bet_amount": crash.settled_bet,
        "outcome": outcome,
        "multiplier": _multiplier(paid_m100),
        "crash_point": _multiplier(crash.settled_crash_m100),
        "payout": crash.settled_payout,
        "profit": crash.settled_payout - crash.settled_bet,
    }
    session = CrashRow(
        external_session_id=crash.settled_game.hex(),
        uid=event.header.uid,
        status="crashed" if paid_m100 is None else "cashed",
        bet_amount=crash.settled_bet,
        auto_cashout_m100=_auto_cashout(played.target_m100, played.cap_m100),
        cashout_multiplier_m100=paid_m100,
        crash_multiplier_m100=crash.settled_crash_m100,
        payout_amount=crash.settled_payout,
        started_at=utc(played.started_at_ms),
        cashed_out_at=None if paid_m100 is None else utc(event.ts_ms),
    )
    return [
        *move_rows(
            event, Round("crash", _ACTIONS[outcome], 0, crash.settled_payout, meta, settlement.player)
        ),
        round_stats(event, "crash", bet=crash.settled_bet, win=crash.settled_payout),
        session,
    ]


def _auto_cashout(target_m100: int, cap_m100: int) -> int | None:
    """None where the player did not ask for one: then the round is paid at the largest multiplier."""
    return target_m100 if target_m100 < cap_m100 else None


def _multiplier(m100: int | None) -> float | None:
    return None if m100 is None else m100 / 100
