"""`session.start`, `session.end`, and the rounds between them, in plain Python."""

import datetime

from tests.model.casino import Answer, Ask, Casino, Changes, Json, Refused
from tests.model.state import Session

ANY_OP_ID = b""
"""Of what the engine does by itself, under an id that nobody gave it."""


def start(casino: Casino, ask: Ask, request: Json) -> Answer:
    """`session.start`. Raises Refused."""
    if first := casino.first_answer(ask, "session.start", request):
        return first
    player, game = casino.admit(ask, bets=True), request["game_type"]
    blocked = casino.limit(ask, player.calls, "games")
    casino.require_open(game)
    session = casino.sessions.get((ask.uid, game))
    if session and session.open:
        if not session.idle(ask.now_ms):
            return Answer(_started(session, game) | {"receipt": None}, rate_blocked=blocked)
        by_system = ask._replace(tier="", key="", system=True, op_id=ANY_OP_ID)
        end(casino, by_system, {"session_id": f"{game}-{session.id.hex()}"})

    created = casino.join(ask.uid, player)
    casino.count(ask, player.calls, "games", blocked)
    session = casino.sessions[ask.uid, game] = Session(ask.op_id, ask.now_ms, ask.now_ms)
    images = casino.player_image(ask.uid), casino.session_image(ask.uid, game)
    casino.record("session.started", ask, [game], images, created=created)
    reply = _started(session, game) | {"receipt": casino.receipt(ask.uid)}
    casino.keep(ask, "session.start", request, reply)
    return Answer(reply, rate_blocked=blocked)


def end(casino: Casino, ask: Ask, request: Json) -> Answer:
    """`session.end`, by its player, or of what is idle by the system. Raises Refused. The id must have an id's form."""
    ask = ask._replace(key=f"session.end {request['session_id']}")
    if first := casino.first_answer(ask, "session.end", request):
        return first
    if not ask.system:
        casino.admit(ask, bets=False)
    game = request["session_id"].partition("-")[0]
    session = casino.sessions.get((ask.uid, game))
    if session is None or f"{game}-{session.id.hex()}" != request["session_id"]:
        raise Refused("SESSION_NOT_FOUND")
    if not session.open or (ask.system and not session.idle(ask.now_ms)):
        return Answer(_summed_up(session, game) | {"receipt": None})

    session.ended_at_ms = (
        session.last_at_ms if session.idle(ask.now_ms) else max(ask.now_ms, session.last_at_ms)
    )
    images = casino.player_image(ask.uid), casino.session_image(ask.uid, game)
    casino.record("session.ended", ask, [game], images)
    reply = _summed_up(session, game) | {"receipt": casino.receipt(ask.uid)}
    casino.keep(ask, "session.end", request, reply)
    return Answer(reply)


def count_round(casino: Casino, ask: Ask, game: str, bet: int, win: int) -> Changes:
    """Count a round of so many tokens in the player's open session; the after-image of the session, if there is one."""
    session = casino.sessions.get((ask.uid, game))
    if session is None or not session.open or session.idle(ask.now_ms):
        return ()
    session.last_at_ms = max(ask.now_ms, session.last_at_ms)
    session.rounds, session.bet, session.win = session.rounds + 1, session.bet + bet, session.win + win
    key, image = casino.session_image(ask.uid, game)
    return ((key, "", image),)


def _started(session: Session, game: str) -> Json:
    started_at = datetime.datetime.fromtimestamp(session.started_at_ms / 1000, datetime.UTC)
    return {
        "session_id": f"{game}-{session.id.hex()}",
        "game_type": game,
        "started_at": started_at.isoformat().replace("+00:00", "Z"),
    }


def _summed_up(session: Session, game: str) -> Json:
    net = session.win - session.bet
    result = {
        "duration": ((session.ended_at_ms or session.last_at_ms) - session.started_at_ms) // 1000,
        "rounds": session.rounds,
        "total_bet": session.bet,
        "total_win": session.win,
        "net": net,
        "roi": round(net / session.bet, 4) if session.bet else 0.0,
        "game_result": "WIN" if net > 0 else "LOSE" if net < 0 else "DRAW",
    }
    return {"session_id": f"{game}-{session.id.hex()}", "game_type": game, "result_data": result}
