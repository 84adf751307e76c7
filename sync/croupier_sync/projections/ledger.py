"""The ledger's lines of an event: what it changed the balances of its player by."""

from croupier.clock import utc
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import PLAYER, Player
from croupier_sync.rows import LedgerRow

_CREATED = "player.created"


def player_after(event: Event) -> Player:
    """The player's record as the event leaves it. Raises ValueError where the event does not bring it."""
    record = event.image(keys.player(event.id.partition, event.header.uid))
    if record is None:
        raise ValueError(f"event {event.id} does not bring the player's record")
    return PLAYER.unpack(record)


def ledger_lines(event: Event, player: Player, *, tokens: int = 0, gems: int = 0) -> list[LedgerRow]:
    """The lines of an event that changed the balances by these amounts and left the player's record as it is here.

    If it is its player's first, what the player began with comes before. A change of nothing is no line.
    """
    lines = []  # of type, currency, delta and balance afterwards
    if event.created:
        had_tokens, had_gems = player.tokens - tokens, player.gems - gems
        lines = [(_CREATED, "tokens", had_tokens, had_tokens), (_CREATED, "gems", had_gems, had_gems)]
    type_ = event.header.type
    lines += [(type_, "tokens", tokens, player.tokens), (type_, "gems", gems, player.gems)]
    partition, epoch, seq = event.id.partition, event.id.epoch, event.id.seq
    uid, at, changed = event.header.uid, utc(event.ts_ms), [line for line in lines if line[2]]
    return [LedgerRow(partition, epoch, seq, number, uid, *line, at) for number, line in enumerate(changed)]


def only_ledger(event: Event, _economies: object) -> list[LedgerRow]:
    """The rows of an event that changes no balance, but may be its player's first."""
    return ledger_lines(event, player_after(event)) if event.created else []
