"""`fairness.rotate` in plain Python."""

from tests.model import fairness, records
from tests.model.casino import Answer, Ask, Casino, Json, Refused


def rotate(casino: Casino, ask: Ask, request: Json) -> Answer:
    """Raises Refused."""
    if first := casino.first_answer(ask, "fairness.rotate", request):
        return first
    player = casino.admit(ask, bets=False)
    blocked = casino.limit(ask, player.calls, "games")
    if casino.payout_max(ask.uid):
        raise Refused("CRASH_BET_ACTIVE")

    created = casino.join(ask.uid, player)
    casino.count(ask, player.calls, "games", blocked)
    seed, old_client = casino.seed(ask.uid, player.generation), player.client_seed
    revealed = {
        "server_seed": seed,
        "commitment": fairness.commitment(seed),
        "client_seed": old_client,
        "generation": player.generation,
        "last_nonce": player.nonce,
    }
    result = records.rotated(casino.key_id, player.generation, fairness.commitment(seed), old_client, seed)
    player.generation += 1
    player.client_seed = request["client_seed"] or old_client
    images = (casino.player_image(ask.uid),)
    casino.record("fairness.rotated", ask, [], images, result=result, created=created)
    reply = {
        "revealed": revealed,
        "commitment": casino.commitment(ask.uid, player),
        "client_seed": player.client_seed,
        "next_nonce": player.nonce + 1,
        "generation": player.generation,
        "receipt": casino.receipt(ask.uid),
    }
    casino.keep(ask, "fairness.rotate", request, reply)
    return Answer(reply, rate_blocked=blocked)
