"""From events to the rows that queries read: one pure function per type of event.

Adding a type of event is a function and a line in `PROJECTIONS`; adding a table is a row type here and a writer in
`tables`.
"""

import datetime
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from croupier.clock import utc
from croupier.gacha.pulled import Pull
from croupier.gacha.table import CompiledEconomy
from croupier_schemas import keys
from croupier_schemas.economy import RARITIES
from croupier_schemas.events import Event
from croupier_schemas.records import CURRENCY_TOKENS, DRAW_NEAR_MISS, PLAYER, Player

Economies: TypeAlias = Mapping[bytes, CompiledEconomy]
"""Economies by version, 32 bytes."""

_ECONOMY_CHANGED = "economy.changed"
_PLAYER_CREATED = "player.created"


class HistoryRow(NamedTuple):
    """A row of `game_history`. `result_meta` is JSON."""

    partition: int
    epoch: int
    seq: int
    uid: int
    game_type: str
    action_type: str
    delta_coin: int
    delta_gem: int
    result_meta: str
    created_at: datetime.datetime


class LedgerRow(NamedTuple):
    """A row of `wallet_ledger`."""

    partition: int
    epoch: int
    seq: int
    line: int
    uid: int
    type: str
    currency: str
    delta: int
    balance_after: int
    created_at: datetime.datetime


class DailyRow(NamedTuple):
    """A row of `gacha_daily`."""

    day: int
    uid: int
    tier: str
    remaining: int


class EconomyRow(NamedTuple):
    """A row of `economy_versions`."""

    version: str
    canonical: bytes


Row: TypeAlias = HistoryRow | LedgerRow | DailyRow | EconomyRow


class _Line(NamedTuple):
    """A change of a balance."""

    type: str
    currency: str
    delta: int
    balance_after: int


def canonical_economy(event: Event) -> bytes | None:
    """The economy that an `economy.changed` event put in force; None for any other event."""
    if event.header.type != _ECONOMY_CHANGED:
        return None
    return event.image(keys.economy(event.id.partition, event.header.economy.hex()))


def _economy_changed(event: Event, _economies: Economies) -> list[Row]:
    canonical = canonical_economy(event)
    if canonical is None:
        raise ValueError(f"event {event.id} names economy {event.header.economy.hex()} and does not bring it")
    return [EconomyRow(event.header.economy.hex(), canonical)]


def _gacha_pulled(event: Event, economies: Economies) -> list[Row]:
    pull = Pull.of_event(event)
    delta_coin, delta_gem = _spent(pull)
    meta = msgspec.json.encode(_pull_meta(pull, economies[event.header.economy])).decode()
    history = HistoryRow(
        event.id.partition, event.id.epoch, event.id.seq, event.header.uid, "gacha", "pull", delta_coin, delta_gem,
        meta, utc(event.ts_ms),
    )  # fmt: skip
    lines = _grants(pull.player, delta_coin, delta_gem) if event.created else []
    lines.append(_Line(event.header.type, "tokens", delta_coin, pull.player.tokens))
    lines.append(_Line(event.header.type, "gems", delta_gem, pull.player.gems))
    daily = DailyRow(pull.player.day, event.header.uid, event.header.tier, pull.daily_remaining)
    return [history, *_ledger(event, lines), daily]


def _fairness_rotated(event: Event, _economies: Economies) -> list[Row]:
    if not event.created:
        return []
    record = event.image(keys.player(event.id.partition, event.header.uid))
    if record is None:
        raise ValueError(f"event {event.id} does not bring the player's record")
    return _ledger(event, _grants(PLAYER.unpack(record), 0, 0))


def _spent(pull: Pull) -> tuple[int, int]:
    """What the pull changed the balances by: tokens, gems."""
    if pull.terms.currency == CURRENCY_TOKENS:
        return -pull.terms.cost, 0
    return 0, -pull.terms.cost


def _grants(player: Player, delta_tokens: int, delta_gems: int) -> list[_Line]:
    """What a new player got before its first command changed the balances by these amounts."""
    tokens, gems = player.tokens - delta_tokens, player.gems - delta_gems
    return [_Line(_PLAYER_CREATED, "tokens", tokens, tokens), _Line(_PLAYER_CREATED, "gems", gems, gems)]


def _ledger(event: Event, lines: list[_Line]) -> list[Row]:
    """Number the lines; those that change nothing are left out."""
    return [
        LedgerRow(
            event.id.partition, event.id.epoch, event.id.seq, number, event.header.uid, *line, utc(event.ts_ms)
        )
        for number, line in enumerate(line for line in lines if line.delta)
    ]  # fmt: skip


def _pull_meta(pull: Pull, economy: CompiledEconomy) -> dict[str, object]:
    """`result_meta` of a pull, in the words of its reply."""
    items = economy.banners[pull.terms.banner].items
    return {
        "banner": pull.terms.banner,
        "count": len(pull.draws),
        "cost": pull.terms.cost,
        "currency": "tokens" if pull.terms.currency == CURRENCY_TOKENS else "gems",
        "legacy_cost_mode": pull.terms.legacy_cost,
        "items": [
            {
                "rarity": RARITIES[draw.rarity - 1],
                "item_id": items[draw.rarity - 1][draw.item],
                "near_miss": bool(draw.flags & DRAW_NEAR_MISS),
                "downgraded_from": RARITIES[draw.downgraded_from - 1] if draw.downgraded_from else None,
            }
            for draw in pull.draws
        ],
    }


PROJECTIONS: Mapping[str, Callable[[Event, Economies], list[Row]]] = {
    _ECONOMY_CHANGED: _economy_changed,
    "gacha.pulled": _gacha_pulled,
    "fairness.rotated": _fairness_rotated,
}
"""By type of event. A type without a function has no rows."""
