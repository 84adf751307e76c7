"""Games that have a history: pity is what the pull before left, and a crash bet is settled once, as it was placed."""

from msgspec.structs import replace

from croupier.gacha.pulled import Pull
from croupier.gacha.table import CompiledEconomy
from croupier_schemas import keys
from croupier_schemas.economy import RARITIES
from croupier_schemas.events import Event
from croupier_schemas.records import CRASH, CRASH_SETTLED, GACHA, Crash, Gacha, GachaDraw
from croupier_sync.verification.findings import Findings
from croupier_sync.verification.flows import crash_after
from croupier_sync.verification.state import State

_NO_GAME = bytes(16)
_TOTALS = ("legendary", "epic", "rare", "common")
_ROUND = ("target_m100", "cap_m100", "growth_ppm", "started_at_ms", "nonce")


class Games:
    """Checks the events of games against the state that they found."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def check(self, event: Event, state: State, economy: CompiledEconomy) -> None:
        """An event, before the state takes it over. Raises ValueError and LookupError where it cannot be read."""
        match event.header.type:
            case "gacha.pulled":
                self._check_pull(event, state, economy)
            case "crash.bet_placed":
                self._check_bet(event, state)
            case "crash.settled":
                self._check_settlement(event, state)

    def _check_pull(self, event: Event, state: State, economy: CompiledEconomy) -> None:
        pull = Pull.of_event(event)
        key = keys.gacha(event.id.partition, event.header.uid, pull.terms.banner)
        before = GACHA.unpack(state.string(key) or GACHA.initial)
        if state.knows(key) and pull.seen != before:
            self._findings.add("gacha", f"it found {pull.seen}, and the pull before left {before}", event.id)
        banner = economy.banners[pull.terms.banner].banner
        rate_up = RARITIES.index(banner.rate_up) + 1 if banner.rate_up else 0
        featured = (
            sum(item.featured for item in getattr(banner.items, banner.rate_up)) if banner.rate_up else 0
        )
        after = pull.seen
        for draw in pull.draws:
            after = _after_draw(after, draw, rate_up, featured)
        if pull.gacha != after:
            self._findings.add("gacha", f"it left {pull.gacha}, and its draws lead to {after}", event.id)

    def _check_bet(self, event: Event, state: State) -> None:
        before, after = self._crash_before(event, state), crash_after(event)
        if before is not None and before.game != _NO_GAME:
            self._findings.add("crash", f"round {before.game.hex()} of the player is still open", event.id)
        if after.game == _NO_GAME or after.bet < 1:
            self._findings.add("crash", "it opens no round", event.id)

    def _check_settlement(self, event: Event, state: State) -> None:
        before, after = self._crash_before(event, state), crash_after(event)
        played, game = CRASH_SETTLED.unpack(event.result), after.settled_game.hex()
        if after.game != _NO_GAME:
            self._findings.add("crash", f"round {game} is settled, and left open", event.id)
        if before is None:
            return
        if before.game != after.settled_game:
            again = before.settled_game == after.settled_game
            self._findings.add(
                "crash", f"round {game} {'was settled before' if again else 'is not open'}", event.id
            )
            return
        differing = [name for name in _ROUND if getattr(played, name) != getattr(before, name)]
        if after.settled_bet != before.bet:
            differing.append("bet")
        if differing:
            names = ", ".join(differing)
            self._findings.add("crash", f"round {game} was not settled as it was placed: {names}", event.id)

    def _crash_before(self, event: Event, state: State) -> Crash | None:
        """None where it is not known."""
        key = keys.crash(event.id.partition, event.header.uid)
        return CRASH.unpack(state.string(key) or CRASH.initial) if state.knows(key) else None


def _after_draw(record: Gacha, draw: GachaDraw, rate_up: int, featured: int) -> Gacha:
    """What a draw leaves: counters go back only when their own rarity is delivered."""
    total = _TOTALS[draw.rarity - 1]
    return replace(
        record,
        since_legendary=0 if draw.rarity == 1 else record.since_legendary + 1,
        since_epic=0 if draw.rarity == 2 else record.since_epic + 1,
        since_rare=0 if draw.rarity == 3 else record.since_rare + 1,
        guaranteed=int(draw.item >= featured) if draw.rarity == rate_up else record.guaranteed,
        **{total: getattr(record, total) + 1},
    )
