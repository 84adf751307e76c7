"""What each event brings into the world, and takes out of it: computed from what was asked for and what came of it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Self

import msgspec

from croupier.gacha.pulled import PullTerms
from croupier.rewards.distribute import RewardTerms
from croupier.rps.played import PlayTerms
from croupier.slot.spun import SpinTerms
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import CRASH, CURRENCY_TOKENS, RPS_PLAYED, SLOT_SPUN, Crash


class Flow(NamedTuple):
    """Tokens and gems that come from nowhere (wins, gifts) or go nowhere (bets, prices)."""

    tokens_in: int = 0
    tokens_out: int = 0
    gems_in: int = 0
    gems_out: int = 0

    def plus(self, other: "Flow") -> Self:
        """Both together."""
        return type(self)(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def tokens(self) -> int:
        return self.tokens_in - self.tokens_out

    @property
    def gems(self) -> int:
        return self.gems_in - self.gems_out


def flow_of(event: Event) -> Flow:
    """The flow of an event of a player, without what a new player begins with.

    Raises KeyError for a type that is not known, and ValueError for an event that cannot be read.
    """
    return _FLOWS[event.header.type](event)


def crash_after(event: Event) -> Crash:
    """A player's crash record as the event leaves it. Raises ValueError where it does not bring it."""
    return CRASH.unpack(event.image(keys.crash(event.id.partition, event.header.uid)) or b"")


def _pull(event: Event) -> Flow:
    terms = msgspec.msgpack.decode(event.header.terms, type=PullTerms)
    return Flow(tokens_out=terms.cost) if terms.currency == CURRENCY_TOKENS else Flow(gems_out=terms.cost)


def _spin(event: Event) -> Flow:
    terms = msgspec.msgpack.decode(event.header.terms, type=SpinTerms)
    return Flow(tokens_in=SLOT_SPUN.unpack(event.result).payout, tokens_out=terms.bet)


def _play(event: Event) -> Flow:
    terms = msgspec.msgpack.decode(event.header.terms, type=PlayTerms)
    return Flow(tokens_in=RPS_PLAYED.unpack(event.result).payout, tokens_out=terms.bet)


def _reward(event: Event) -> Flow:
    terms = msgspec.msgpack.decode(event.header.terms, type=RewardTerms)
    return Flow(tokens_in=terms.amount) if terms.reward_type == "TOKENS" else Flow(gems_in=terms.amount)


_FLOWS: Final[Mapping[str, Callable[[Event], Flow]]] = {
    "gacha.pulled": _pull,
    "slot.spun": _spin,
    "rps.played": _play,
    "crash.bet_placed": lambda event: Flow(tokens_out=crash_after(event).bet),
    "crash.settled": lambda event: Flow(tokens_in=crash_after(event).settled_payout),
    "rewards.granted": _reward,
    "fairness.rotated": lambda _event: Flow(),
    "session.started": lambda _event: Flow(),
    "session.ended": lambda _event: Flow(),
    "actions.recorded": lambda _event: Flow(),
}
