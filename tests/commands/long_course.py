"""A long course of the state machine's rules by a seed: it gets where short ones hardly do, as to full rate limits."""

import random
from collections.abc import Callable
from typing import Any

from croupier_schemas.economy import BALANCE_MAX, GAMES
from tests.commands.machine import LONG_MS, ROUNDS, SHORT_MS, EngineAndModel
from tests.model import crash

_BETS = (100, 100, 100, 300, 1_000, 2_500, 137)
_KEYS = ("", "", "", "", "a", "b", "c", "d", "e")
_TIERS = ("STANDARD", "PREMIUM", "VIP")


class LongCourse:
    """Each step is a rule that chance chooses, with arguments that mostly lead to an effect."""

    def __init__(self, machine: EngineAndModel, chance: random.Random) -> None:
        self.machine = machine
        self.chance = chance
        self._steps: tuple[tuple[int, Callable[[], Any]], ...] = (
            (12, self._pull), (10, self._bet), (12, self._end_of_a_round), (7, self._spin), (7, self._play),
            (6, self._reward), (5, self._session), (3, self._action), (2, self._rotate), (4, self._repeat),
            (25, self._clock), (4, self._around), (3, self._balances), (1, self._question),
        )  # fmt: skip

    def run(self, steps: int) -> None:
        """So many steps; after each one everything is compared."""
        rules = [rule for _, rule in self._steps]
        weights = [weight for weight, _ in self._steps]
        for step in self.chance.choices(rules, weights, k=steps):
            step()
            self.machine.same_events()
            self.machine.same_state()
            self.machine.same_indexes()

    @property
    def _who(self) -> dict[str, Any]:
        uid = self.chance.choice((1, 1, 1, 2, 2, 3))
        tier = _TIERS[uid - 1] if self.chance.random() < 0.8 else self.chance.choice(_TIERS)
        return {"uid": uid, "tier": tier, "key": self.chance.choice(_KEYS)}

    @property
    def _place(self) -> int:
        return self.chance.randrange(10)

    def _pull(self) -> None:
        banner, ten = self.chance.choice(("soft", "limited", "limited")), self.chance.random() < 0.3
        self.machine.pull(**self._who, banner=banner, count=10 if ten else 1, gems=self.chance.random() < 0.4)

    def _bet(self) -> None:
        auto = self.chance.choice((None, 1.01, 1.1, 1.3, 2, 2.99))
        self.machine.bet(**self._who, bet=self.chance.choice(_BETS), auto=auto)

    def _end_of_a_round(self) -> None:
        if not self.machine.model.crash:
            return
        after_ms, which, place = self.chance.choice(SHORT_MS), self.chance.choice(ROUNDS), self._place
        if self.chance.random() < 0.3:
            after_ms, which = self._until_it_is_over(place) - self.chance.randrange(2), "open"
        if self.chance.random() < 0.4:
            self.machine.settle(place=place, which=which, after_ms=after_ms)
        else:
            tier, key = self.chance.choice(_TIERS), self.chance.choice(_KEYS)
            self.machine.cash_out(tier=tier, key=key, place=place, which=which, after_ms=after_ms)

    def _until_it_is_over(self, place: int) -> int:
        """How many ms until the round is over that the machine finds at this place; 0 where there is none."""
        model = self.machine.model
        open_rounds = [(uid, each.open) for uid, each in model.crash.items() if each.open]
        if not open_rounds:
            return 0
        uid, found = open_rounds[place % len(open_rounds)]
        bet = crash.Bet(found.bet, found.target, found.cap, found.growth, found.started_at_ms)
        point = crash.crash_m100(model.rolls(uid, found.nonce, 1)[0], found.cap)
        return found.started_at_ms + crash.over_after_ms(bet, point) - self.machine.world.clock()

    def _spin(self) -> None:
        self.machine.spin(**self._who, bet=self.chance.choice(_BETS))

    def _play(self) -> None:
        move = self.chance.choice(("ROCK", "PAPER", "SCISSORS"))
        self.machine.play(**self._who, move=move, bet=self.chance.choice((0, *_BETS)))

    def _reward(self) -> None:
        who = self._who
        self.machine.reward(
            uid=who["uid"], kind=self.chance.choice(("TOKENS", "TOKENS", "GEMS")), header=who["key"],
            amount=self.chance.choice((1, 5_000, 20_000)), key=self.chance.choice((None, None, "f", "g")),
        )  # fmt: skip

    def _session(self) -> None:
        if self.machine.model.sessions and self.chance.random() < 0.3:
            unknown, system = self.chance.random() < 0.1, self.chance.random() < 0.4
            self.machine.end_session(place=self._place, unknown=unknown, system=system)
        else:
            self.machine.start_session(**self._who, game=self.chance.choice(GAMES))

    def _action(self) -> None:
        data = {"sku": self.chance.choice(("small", "large")), "at": self.chance.randrange(9)}
        self.machine.record_action(**self._who, data=data)

    def _rotate(self) -> None:
        self.machine.rotate(**self._who, client_seed=self.chance.choice((None, "mine")))

    def _repeat(self) -> None:
        if self.machine.remembered:
            self.machine.repeat(place=self._place)
        self.machine.let_an_idempotency_key_expire(uid=self._who["uid"], key=self.chance.choice(_KEYS[4:]))

    def _clock(self) -> None:
        if self.chance.random() < 0.03:
            self.machine.move_the_clock_far(step_ms=self.chance.choice(LONG_MS))
        else:
            self.machine.move_the_clock(step_ms=self.chance.choice((*SHORT_MS, 500, 1_000, 1_000)))

    def _around(self) -> None:
        """Mostly the first economy, stock, and a clean record."""
        machine, chance, uid = self.machine, self.chance, self._who["uid"]
        machine.push_economy(place=chance.choice((0, 0, 1, 2, 3, 4, 5)))
        if chance.random() < 0.5:
            machine.push_the_first_economy()
        rarity = chance.choice(("Legendary", "Epic", "Rare"))
        machine.add_stock(banner="limited", rarity=rarity, amount=chance.choice((1, 3)))
        excluded_h = chance.choice((0, 0, 0, 1))
        machine.restrict(uid=uid, banned=chance.random() < 0.1, excluded_h=excluded_h)
        if chance.random() < 0.2:
            machine.lose_the_volatile_tails(uid=uid)

    def _balances(self) -> None:
        tokens = self.chance.choice((99, 20_000, 10**6, 10**6, 10**9, BALANCE_MAX - 300, BALANCE_MAX))
        self.machine.set_balances(uid=self._who["uid"], tokens=tokens, gems=self.chance.choice((2, 999)))

    def _question(self) -> None:
        who = self._who
        self.machine.ask_how_things_stand(uid=who["uid"], tier=who["tier"])
