"""The ledger's lines of an event: what it changed the balances of its player by."""

from typing import NamedTuple

from croupier.clock import utc
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import PLAYER, Player
from croupier_sync.rows import LedgerRow

_PLAYER_CREATED = "player.created"


class _Line(NamedTuple):
    """A change of a balance."""

    type: str
    currency: str
    delta: int
    balance_after: int


def player_after(event: Event) -> Player:
    """The player's record as the event leaves it. Raises ValueError where the event does not bring it."""
    record = event.image(keys.player(event.id.partition, event.header.uid))
    if record is None:
        raise ValueError(f"event {event.id} does not bring the player's record")
    return PLAYER.unpack(record)


def ledger_lines(event: Event, *, tokens: int = 0, gems: int = 0) -> list[LedgerRow]:
    """The lines of an event that changed the balances by these amounts.

    If it is its player's first, what the player began with comes before. A change of nothing is no line. Raises
    ValueError like `player_after`.
    """
    player = player_after(event)
    lines = [
        _Line(event.header.type, "tokens", tokens, player.tokens),
        _Line(event.header.type, "gems", gems, player.gems),
    ]
    if event.created:
        granted = [(line.currency, line.balance_after - line.delta) for line in lines]
        lines = [_Line(_PLAYER_CREATED, currency, grant, grant) for currency, grant in granted] + lines
    partition, epoch, seq = event.id.partition, event.id.epoch, event.id.seq
    changed, at = [line for line in lines if line.delta], utc(event.ts_ms)
    return [
        LedgerRow(partition, epoch, seq, number, event.header.uid, *line, at)
        for number, line in enumerate(changed)
    ]


def only_ledger(event: Event, _economies: object) -> list[LedgerRow]:
    """The rows of an event that changes no balance, but may be its player's first."""
    return ledger_lines(event) if event.created else []
