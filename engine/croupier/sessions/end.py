"""The command `session.end`, which players give, and the system for sessions that are idle."""

from typing import NamedTuple

from croupier.command import SYSTEM_ROLE, Caller, Command, Context, Done, receipt
from croupier.errors import CroupierError
from croupier.gacha.table import CompiledEconomy
from croupier.sessions.recorded import SessionName, SessionTerms, member
from croupier_schemas.records import PLAYER, SESSION, Session
from croupier_schemas.session import SessionEnd, SessionEndReply, SessionResult


class EndArguments(NamedTuple):
    """The arguments that `session/end.lua` declares itself."""

    only_idle: int
    asked_id: bytes
    member: str


def result_data(session: Session) -> SessionResult:
    """How a session went."""
    net = session.win - session.bet
    return SessionResult(
        duration=((session.ended_at_ms or session.last_at_ms) - session.started_at_ms) // 1000,
        rounds=session.rounds,
        total_bet=session.bet,
        total_win=session.win,
        net=net,
        roi=round(net / session.bet, 4) + 0.0 if session.bet else 0.0,  # + 0.0, or it may be -0.0
        game_result="WIN" if net > 0 else "LOSE" if net < 0 else "DRAW",
    )


def _name(request: SessionEnd) -> SessionName:
    """Raises CroupierError SESSION_NOT_FOUND for what is no id."""
    name = SessionName.parse(request.session_id)
    if name is None:
        raise CroupierError("SESSION_NOT_FOUND")
    return name


def _key(_caller: Caller, request: SessionEnd) -> str:
    """The id; what is none is not remembered, and refused."""
    return request.session_id if SessionName.parse(request.session_id) else ""


def _bind(context: Context, request: SessionEnd, terms: SessionTerms) -> EndArguments:
    return EndArguments(
        only_idle=int(context.caller.role == SYSTEM_ROLE),
        asked_id=_name(request).id,
        member=member(context.uid, terms.game),
    )


def _render(_economy: CompiledEconomy, terms: SessionTerms, done: Done) -> SessionEndReply:
    player, session = PLAYER.unpack(done.images[0]), SESSION.unpack(done.images[1])
    return SessionEndReply(
        session_id=str(SessionName(terms.game, session.id)),
        game_type=terms.game,
        result_data=result_data(session),
        receipt=receipt(done, player.nonce, player.commitment) if done.event else None,
    )


# No rate limit: a session can be ended once, and its start was limited. Nor does maintenance stop it. Its id is its
# idempotency key, whatever else the caller sends.
END = Command(
    name="session.end",
    path="/api/games/session/end",
    summary="End a session and sum it up; ending it again repeats the result",
    description=(
        "`session_id` is the one that `session/start` answered, and is its idempotency key too. A crash round "
        "counts in the session that is open when it ends."
    ),
    request=SessionEnd,
    reply=SessionEndReply,
    arguments=EndArguments,
    places=lambda request: {"game": _name(request).game},
    terms_type=SessionTerms,
    terms=lambda _context, request: SessionTerms(_name(request).game),
    bind=_bind,
    render=_render,
    scope="",
    ends=True,
    forever_key=_key,
    errors=("SESSION_NOT_FOUND", "PLAYER_BANNED"),
    example=SessionEnd(session_id="gacha-0199f3a2b4c51d2e3f405162738495a6"),
)
