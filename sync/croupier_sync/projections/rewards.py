"""What `rewards.granted` means for queries."""

import msgspec

from croupier.clock import utc
from croupier.rewards.distribute import RewardTerms
from croupier_schemas.events import Event
from croupier_sync.projections.economy import Economies
from croupier_sync.projections.ledger import ledger_lines, player_after
from croupier_sync.rows import RewardRow, Row


def granted(event: Event, _economies: Economies) -> list[Row]:
    terms = msgspec.msgpack.decode(event.header.terms, type=RewardTerms)
    reward = RewardRow(
        event.id.partition, event.id.epoch, event.id.seq, event.header.uid, terms.reward_type, terms.amount,
        terms.source_description, terms.key, terms.granted_by, utc(event.ts_ms),
    )  # fmt: skip
    currency = "tokens" if terms.reward_type == "TOKENS" else "gems"
    return [*ledger_lines(event, player_after(event), **{currency: terms.amount}), reward]
