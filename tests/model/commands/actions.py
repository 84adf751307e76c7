"""`actions.record` in plain Python."""

import datetime

from tests.model.casino import Answer, Ask, Casino, Json


def record(casino: Casino, ask: Ask, request: Json) -> Answer:
    """Raises Refused."""
    if first := casino.first_answer(ask, "actions.record", request):
        return first
    player = casino.admit(ask, bets=False)
    blocked = casino.limit(ask, player.calls, "games")

    created = casino.join(ask.uid, player)
    casino.count(ask, player.calls, "games", blocked)
    terms = [request["action_type"], request["action_data"]]
    casino.record("actions.recorded", ask, terms, (casino.player_image(ask.uid),), created=created)
    recorded_at = datetime.datetime.fromtimestamp(ask.now_ms / 1000, datetime.UTC)
    reply = {
        **request,
        "recorded_at": recorded_at.isoformat().replace("+00:00", "Z"),
        "receipt": casino.receipt(ask.uid),
    }
    casino.keep(ask, "actions.record", request, reply)
    return Answer(reply, rate_blocked=blocked)
