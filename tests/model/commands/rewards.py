"""`rewards.distribute` in plain Python."""

from tests.model.casino import BALANCE_MAX, Answer, Ask, Casino, Json, Refused


def distribute(casino: Casino, ask: Ask, request: Json) -> Answer:
    """Raises Refused. `ask.key` is the key in the request, or else that of the header."""
    uid, kind, amount = ask.uid, request["reward_type"], request["amount"]
    key = ask.key
    ask = ask._replace(key=key and f"rewards.distribute {key}")
    if first := casino.first_answer(ask, "rewards.distribute", request):
        return first
    if uid not in casino.players:
        raise Refused("PLAYER_NOT_FOUND")
    player, tokens = casino.players[uid], kind == "TOKENS"
    balance, set_aside = (player.tokens, casino.payout_max(uid)) if tokens else (player.gems, 0)
    if balance + set_aside + amount > BALANCE_MAX:
        raise Refused("BALANCE_CAP", balance=balance, max=BALANCE_MAX)

    player.tokens, player.gems = player.tokens + amount * tokens, player.gems + amount * (not tokens)
    terms = [uid, kind, amount, request["source_description"], ask.by, key]
    casino.record("rewards.granted", ask, terms, (casino.player_image(uid),))
    reply = {
        "user_id": uid,
        "reward_type": kind,
        "amount": amount,
        "balance": player.tokens,
        "gems": player.gems,
        "key": key or None,
        "receipt": casino.event(),
    }
    casino.keep(ask, "rewards.distribute", request, reply)
    return Answer(reply)
