"""`slot.spin` in plain Python."""

import json
from functools import cache
from itertools import product

from tests.model import slot as rules
from tests.model.casino import Answer, Ask, Casino, Json
from tests.model.commands.sessions import count_round


def spin(casino: Casino, ask: Ask, request: Json) -> Answer:
    """Raises Refused."""
    if first := casino.first_answer(ask, "slot.spin", request):
        return first
    player = casino.admit(ask, bets=True)
    blocked = casino.limit(ask, player.calls, "games")
    casino.require_open("slot")
    bet, machine = request["bet_amount"], casino.economy["slot"]
    casino.require_bet(bet, "slot")
    casino.require_stake(ask.uid, player, bet, bet * _percent_max(json.dumps(machine)) // 100)

    created = casino.join(ask.uid, player)
    casino.count(ask, player.calls, "games", blocked)
    player.nonce += 1
    spun = rules.spin(machine, bet, casino.rolls(ask.uid, player.nonce, 3))
    player.tokens += spun.payout - bet
    changes = count_round(casino, ask, "slot", bet, spun.payout)
    images = (casino.player_image(ask.uid),)
    casino.record("slot.spun", ask, [bet], images, result=spun.result, changes=changes, created=created)
    reply = {
        "reels": [list(reel) for reel in spun.reels],
        "lines": spun.lines,
        "payout": spun.payout,
        "balance": player.tokens,
        "receipt": casino.receipt(ask.uid),
    }
    casino.keep(ask, "slot.spin", request, reply)
    return Answer(reply, rate_blocked=blocked)


@cache
def _percent_max(machine: str) -> int:
    """What the best of all spins pays, in percent of the bet."""
    plain = json.loads(machine)
    stops = product(*(range(len(reel)) for reel in plain["reels"]))
    return max(rules.at(plain, 100, each).payout for each in stops)
