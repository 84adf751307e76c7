"""The command `session.start`."""

from typing import NamedTuple

from croupier.betting import require_open
from croupier.clock import utc
from croupier.command import SYSTEM_ROLE, Caller, Command, Context, Done, Errand, receipt
from croupier.gacha.table import CompiledEconomy
from croupier.sessions.end import END
from croupier.sessions.recorded import SessionName, SessionTerms, member
from croupier_schemas.records import PLAYER, SESSION
from croupier_schemas.session import SessionEnd, SessionStart, SessionStartReply


class StartArguments(NamedTuple):
    """The arguments that `session/start.lua` declares itself."""

    new_id: bytes
    member: str


def _terms(context: Context, request: SessionStart) -> SessionTerms:
    require_open(context, request.game_type)
    return SessionTerms(request.game_type)


def _bind(context: Context, _request: SessionStart, terms: SessionTerms) -> StartArguments:
    return StartArguments(context.caller.op_id, member(context.uid, terms.game))


def _render(_economy: CompiledEconomy, terms: SessionTerms, done: Done) -> SessionStartReply:
    player, session = PLAYER.unpack(done.images[0]), SESSION.unpack(done.images[1])
    return SessionStartReply(
        session_id=str(SessionName(terms.game, session.id)),
        game_type=terms.game,
        started_at=utc(session.started_at_ms),
        receipt=receipt(done, player.nonce, player.commitment) if done.event else None,
    )


def _end_idle(context: Context, terms: SessionTerms, values: list[bytes], op_id: bytes) -> Errand:
    caller = Caller(context.uid, "", SYSTEM_ROLE, op_id)
    return Errand(END, caller, SessionEnd(str(SessionName(terms.game, values[0]))))


START = Command(
    name="session.start",
    path="/api/games/session/start",
    summary="Open a session in a game, or find the one that is open",
    description=(
        "One session per player and game is open; where one is, that one is answered, and `receipt` is null. "
        "An hour without a round ends it."
    ),
    request=SessionStart,
    reply=SessionStartReply,
    arguments=StartArguments,
    places=lambda request: {"game": request.game_type},
    terms_type=SessionTerms,
    terms=_terms,
    bind=_bind,
    render=_render,
    first={"SESSION_IDLE": _end_idle},
    errors=("GAME_DISABLED", "MAINTENANCE", "PLAYER_BANNED", "PLAYER_EXCLUDED", "RATE_LIMITED"),
    example=SessionStart(game_type="gacha"),
)
