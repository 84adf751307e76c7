"""The same figures as the questions give, counted from the events of the log in plain Python."""

import datetime
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from croupier.economy import canonical
from croupier.gacha.pulled import Pull
from croupier.rps.played import Play
from croupier.slot.spun import Spin
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.messages import BOUGHT
from croupier_schemas.records import CRASH
from tests.analytics.town import ECONOMIES, of_type
from tests.model.draws import RARITIES, drawing_order, due_rarity, soft_weights

ZONE = ZoneInfo("Asia/Seoul")


def day_of(event: Event) -> datetime.date:
    """The day of the daily limits that an event falls on."""
    return datetime.datetime.fromtimestamp(event.ts_ms / 1000, ZONE).date()


def since(events: Sequence[Event], today: datetime.date, days: int) -> list[Event]:
    """The events of the last so many days."""
    first = today - datetime.timedelta(days=days - 1)
    return [event for event in events if day_of(event) >= first]


def funnel(events: Sequence[Event]) -> list[int]:
    """Players who opened, then clicked, then got something, in the order of the log's times."""
    reached: dict[int, int] = defaultdict(int)
    for event in sorted(of_type(events, "actions.recorded", BOUGHT), key=lambda event: event.ts_ms):
        terms = msgspec.msgpack.decode(event.header.terms)
        stage = {"open_shop": 1, "buy_click": 2}.get(terms[0], 0)
        if event.header.type == BOUGHT and terms[3] > 0:
            stage = 3
        if stage and reached[event.header.uid] == stage - 1:
            reached[event.header.uid] = stage
    return [sum(level >= stage for level in reached.values()) for stage in (1, 2, 3)]


class Draws(NamedTuple):
    """What came of the draws of a banner under an economy, and what was to be expected of it."""

    pulls: int
    drawn: Counter[str]
    expected: Counter[str]
    items: Counter[tuple[str, str]]
    expected_items: Counter[tuple[str, str]]
    results: list[bytes]


def draws(events: Sequence[Event], banner_name: str, economy: str) -> Draws:
    """By the rules of `tests.model.draws`, which knows nothing of the engine's."""
    found = Draws(0, Counter(), Counter(), Counter(), Counter(), [])
    for event in of_type(events, "gacha.pulled"):
        pull = Pull.of_event(event)
        if pull.terms.banner != banner_name or event.header.economy.hex() != economy:
            continue
        found = found._replace(pulls=found.pulls + 1)
        found.results.append(event.result)
        banner = _json(economy)["gacha"]["banners"][banner_name]
        seen = pull.seen
        counters = dict(zip(RARITIES, (seen.since_legendary, seen.since_epic, seen.since_rare), strict=False))
        guaranteed = bool(seen.guaranteed)
        for draw in pull.draws:
            due = due_rarity(banner, counters)
            weights = {due: 1_000_000} if due else soft_weights(banner, counters)
            found.expected.update({rarity: weight / 1e6 for rarity, weight in weights.items()})
            rarity = RARITIES[draw.rarity - 1]
            found.drawn[RARITIES[(draw.downgraded_from or draw.rarity) - 1]] += 1
            items = drawing_order(banner, rarity)
            forced = guaranteed and rarity == banner["rate_up"]
            choices = [item for item in items if item["featured"]] if forced else items
            whole = sum(item["weight"] for item in choices)
            found.expected_items.update({(rarity, each["id"]): each["weight"] / whole for each in choices})
            found.items[rarity, items[draw.item]["id"]] += 1
            if rarity == banner["rate_up"]:
                guaranteed = not items[draw.item]["featured"]
            counters = {each: 0 if each == rarity else count + 1 for each, count in counters.items()}
    return found


def rounds(events: Sequence[Event]) -> Iterator[tuple[str, str, int, int]]:
    """Game, economy, bet and payout of every round with a bet."""
    for event in events:
        bet = payout = 0
        match event.header.type:
            case "slot.spun":
                spin = Spin.of_event(event)
                game, bet, payout = "slot", spin.terms.bet, spin.spun.payout
            case "rps.played":
                play = Play.of_event(event)
                game, bet, payout = "rps", play.terms.bet, play.played.payout
            case "crash.settled":
                crash = CRASH.unpack(event.image(keys.crash(0, event.header.uid)) or b"")
                game, bet, payout = "crash", crash.settled_bet, crash.settled_payout
        if bet:
            yield game, event.header.economy.hex(), bet, payout


def amounts(event: Event) -> dict[str, int]:
    """What an event of a game adds to the hour that it fell in."""
    match event.header.type:
        case "gacha.pulled":
            pull = Pull.of_event(event)
            return {"pulls": 1, "draws": len(pull.draws), "staked": pull.terms.cost}
        case "crash.bet_placed":
            return {"staked": CRASH.unpack(event.image(keys.crash(0, event.header.uid)) or b"").bet}
        case "slot.spun" | "rps.played" | "crash.settled":
            found = list(rounds([event]))
            staked = 0 if event.header.type == "crash.settled" else sum(bet for _, _, bet, _ in found)
            return {"staked": staked, "paid": sum(payout for *_, payout in found)}
    return {}


def crash_points(events: Sequence[Event]) -> list[float]:
    """Where the rounds crashed, or would have."""
    settled = of_type(events, "crash.settled")
    records = [CRASH.unpack(event.image(keys.crash(0, event.header.uid)) or b"") for event in settled]
    return [record.settled_crash_m100 / 100 for record in records]


def days_played(events: Sequence[Event]) -> dict[int, set[datetime.date]]:
    """The days on which a player did something."""
    days: dict[int, set[datetime.date]] = defaultdict(set)
    for event in events:
        if event.header.uid and event.header.tier and not event.header.type.startswith("rewards."):
            days[event.header.uid].add(day_of(event))
    return days


def _json(version: str) -> Any:
    return _ECONOMIES[version]


def _versions() -> dict[str, Any]:
    from croupier.economy import version

    return {version(economy): json.loads(canonical(economy)) for economy in ECONOMIES}


_ECONOMIES = _versions()
