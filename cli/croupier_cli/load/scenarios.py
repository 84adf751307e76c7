"""What players do under load, and how often."""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from croupier_cli.errors import CannotRun
from croupier_client.operation import Operation
from croupier_client.operations import BET, CASHOUT, PLAY, PULL, SPIN, WALLET

CRASH_BET: Final = 10
SLOT_BET: Final = 100
"""The smallest bets of the default economy, in tokens. Rock, paper, scissors is played for nothing."""

_DEALT: Final = 65_521
"""A prime number: however many players there are, each gets all scenarios in the end."""


class Step(NamedTuple):
    """One request: over HTTP to `path`, over a WebSocket as `command`. `arguments` is None for a query.

    Where it is done and `then` names a step, the same player goes on with that one, which takes the `game_id` of the
    answer. `number` is its place among the steps of a load.
    """

    number: int
    name: str
    path: str
    command: str
    arguments: dict[str, Any] | None
    then: "Step | None" = None


class _Request(NamedTuple):
    name: str
    operation: Operation[..., Any]
    arguments: dict[str, Any] | None


SCENARIOS: Final[dict[str, tuple[_Request, ...]]] = {
    "pull": (_Request("pull", PULL, {"count": 1, "banner": "standard"}),),
    "ten-pull": (_Request("ten-pull", PULL, {"count": 10, "banner": "standard"}),),
    "slot": (_Request("slot", SPIN, {"bet_amount": SLOT_BET}),),
    "rps": (_Request("rps", PLAY, {"player_move": "ROCK"}),),
    "crash": (
        _Request("crash-bet", BET, {"bet_amount": CRASH_BET}),
        _Request("crash-cashout", CASHOUT, {}),
    ),
    "balance": (_Request("balance", WALLET, None),),
}
"""By name; a scenario of several requests sends each when the one before is done."""


class Mix(NamedTuple):
    """The steps of a load, and the first ones of its scenarios with their weights."""

    steps: tuple[Step, ...]
    first: tuple[Step, ...]
    weights: tuple[float, ...]

    def deal(self) -> Iterator[Step]:
        """Steps to begin with, for ever: by their weights, in an order that is the same in each run."""
        if len(self.first) == 1:
            return itertools.repeat(self.first[0])
        chosen = random.Random(0).choices(self.first, self.weights, k=_DEALT)  # noqa: S311
        return itertools.cycle(chosen)

    @property
    def queries(self) -> list[str]:
        """Names of the steps that change nothing, and that there are over HTTP only."""
        return [step.name for step in self.steps if step.arguments is None]


def parse_mix(texts: Sequence[str]) -> Mix:
    """From `name=weight` or `name`, which weighs 1. Raises CannotRun."""
    weights: dict[str, float] = {}
    for text in texts:
        name, _, weight = text.partition("=")
        if name not in SCENARIOS:
            raise CannotRun(f"--scenario {text}: there is no {name!r}; there are {', '.join(SCENARIOS)}")
        if name in weights:
            raise CannotRun(f"--scenario {name} is given twice")
        weights[name] = _weight(weight or "1", text)
    steps: list[Step] = []
    first: list[Step] = []
    for scenario in weights:
        then: Step | None = None
        for name, operation, arguments in reversed(SCENARIOS[scenario]):
            then = Step(len(steps), name, operation.path, operation.name, arguments, then)
            steps.append(then)
        assert then is not None
        first.append(then)
    return Mix(tuple(steps), tuple(first), tuple(weights.values()))


def _weight(text: str, whole: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = 0.0
    if not 0 < weight < 1e9:
        raise CannotRun(f"--scenario {whole}: the weight must be a number above 0")
    return weight
