"""`crash.bet`, `crash.cashout` and `crash.settle` in plain Python."""

from tests.model import crash as rules
from tests.model import records
from tests.model.casino import Answer, Ask, Casino, Changes, Json, Refused
from tests.model.commands.sessions import count_round
from tests.model.state import Crash, Round, Settlement


def bet(casino: Casino, ask: Ask, request: Json) -> Answer:
    """`crash.bet`. Raises Refused. `auto_cashout` must be one that is allowed."""
    if first := casino.first_answer(ask, "crash.bet", request):
        return first
    player = casino.admit(ask, bets=True)
    blocked = casino.limit(ask, player.calls, "games")
    casino.require_open("crash")
    amount, game = request["bet_amount"], casino.economy["crash"]
    cap = 100 * game["max_multiplier"]
    target = cap if request["auto_cashout"] is None else round(100 * request["auto_cashout"])
    casino.require_bet(amount, "crash")
    if casino.payout_max(ask.uid):
        raise Refused("CRASH_BET_ACTIVE")
    casino.require_stake(ask.uid, player, amount, amount * target // 100)

    created = casino.join(ask.uid, player)
    casino.count(ask, player.calls, "games", blocked)
    player.tokens -= amount
    player.nonce += 1
    crash = casino.crash.setdefault(ask.uid, Crash())
    crash.open = Round(ask.op_id, amount, target, cap, game["growth_ppm"], ask.now_ms, player.nonce)
    images = casino.player_image(ask.uid), casino.crash_image(ask.uid)
    casino.record("crash.bet_placed", ask, [amount, target], images, created=created)
    reply = {
        "game_id": ask.op_id.hex(),
        "commitment": casino.commitment(ask.uid, player),
        "started_at_ms": ask.now_ms,
        "balance": player.tokens,
        "receipt": casino.receipt(ask.uid),
    }
    casino.keep(ask, "crash.bet", request, reply)
    return Answer(reply, rate_blocked=blocked)


def cash_out(casino: Casino, ask: Ask, request: Json) -> Answer:
    """`crash.cashout`. Raises Refused."""
    if first := casino.first_answer(ask, "crash.cashout", request):
        return first
    casino.admit(ask, bets=False)
    crash, game = casino.crash.get(ask.uid, Crash()), request["game_id"]
    blocked = casino.limit(ask, crash.calls, "cashout")
    if crash.open is None or crash.open.game.hex() != game:
        settled = crash.settled
        if settled is None or settled.game.hex() != game or settled.outcome == "cashed":
            raise Refused("CRASH_NO_ACTIVE_BET")
        return Answer(_how_it_ended(casino, ask.uid, settled) | {"receipt": None}, rate_blocked=blocked)

    casino.count(ask, crash.calls, "cashout", blocked)
    round_, changes = crash.open, _settle(casino, ask, crash, crash.open)
    assert changes is not None and crash.settled is not None
    _record(casino, ask, round_, changes)
    receipt = casino.receipt(ask.uid, round_.nonce)
    reply = _how_it_ended(casino, ask.uid, crash.settled) | {"receipt": receipt}
    casino.keep(ask, "crash.cashout", request, reply)
    return Answer(reply, rate_blocked=blocked)


def settle(casino: Casino, ask: Ask, request: Json) -> Answer:
    """`crash.settle`, which the sweeper gives. Raises Refused."""
    crash = casino.crash.get(ask.uid, Crash())
    if crash.open is None or crash.open.game.hex() != request["game_id"]:
        raise Refused("CRASH_NO_ACTIVE_BET")
    round_, changes = crash.open, _settle(casino, ask, crash, crash.open)
    if changes is not None:
        _record(casino, ask, round_, changes)
    return Answer({"settled": changes is not None})


def _settle(casino: Casino, ask: Ask, crash: Crash, open_: Round) -> Changes | None:
    """Settle a round that is over, or that its player cashes out; the session's after-image; None while it runs on."""
    point = rules.crash_m100(casino.rolls(ask.uid, open_.nonce, 1)[0], open_.cap)
    bet_ = rules.Bet(open_.bet, open_.target, open_.cap, open_.growth, open_.started_at_ms)
    outcome, paid, payout = rules.judge(bet_, point, ask.now_ms, cashing_out=not ask.system)
    if outcome == "running":
        return None
    crash.open, crash.settled = None, Settlement(open_.game, open_.bet, outcome, paid, point, payout)
    casino.players[ask.uid].tokens += payout
    return count_round(casino, ask, "crash", open_.bet, payout)


def _record(casino: Casino, ask: Ask, round_: Round, changes: Changes) -> None:
    images = casino.player_image(ask.uid), casino.crash_image(ask.uid)
    result = records.settled(round_, ask.now_ms)
    casino.record("crash.settled", ask, [], images, result=result, changes=changes)


def _how_it_ended(casino: Casino, uid: int, settled: Settlement) -> Json:
    return {
        "game_id": settled.game.hex(),
        "multiplier": settled.paid / 100,
        "payout": settled.payout,
        "profit": settled.payout - settled.bet,
        "balance": casino.players[uid].tokens,
        "outcome": settled.outcome,
        "crash_point": None if settled.outcome == "cashed" else settled.crash / 100,
    }
