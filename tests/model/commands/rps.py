"""`rps.play` in plain Python."""

from tests.model import rps as rules
from tests.model.casino import Answer, Ask, Casino, Json
from tests.model.commands.sessions import count_round


def play(casino: Casino, ask: Ask, request: Json) -> Answer:
    """Raises Refused."""
    if first := casino.first_answer(ask, "rps.play", request):
        return first
    player = casino.admit(ask, bets=True)
    blocked = casino.limit(ask, player.calls, "games")
    casino.require_open("rps")
    bet, move, percent = request["bet_amount"], request["player_move"], casino.economy["rps"]["win_percent"]
    if bet:
        casino.require_bet(bet, "rps")
    casino.require_stake(ask.uid, player, bet, bet * percent // 100)

    created = casino.join(ask.uid, player)
    casino.count(ask, player.calls, "games", blocked)
    player.nonce += 1
    played = rules.play(move, bet, percent, casino.rolls(ask.uid, player.nonce, 1)[0])
    player.tokens += played.payout - bet
    changes = count_round(casino, ask, "rps", bet, played.payout)
    terms = [bet, rules.MOVES.index(move), False]
    images = (casino.player_image(ask.uid),)
    casino.record("rps.played", ask, terms, images, result=played.result, changes=changes, created=created)
    reply = {
        "player_move": move,
        "server_move": played.server_move,
        "outcome": played.outcome,
        "deterministic": False,
        "payout": played.payout,
        "balance": player.tokens,
        "receipt": casino.receipt(ask.uid),
    }
    casino.keep(ask, "rps.play", request, reply)
    return Answer(reply, rate_blocked=blocked)
