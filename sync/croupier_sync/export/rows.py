"""From messages to rows of ClickHouse: pure, and tolerant of what a later version adds."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from croupier_schemas.events import EventId
from croupier_schemas.messages import BOUGHT

COLUMNS: Final[Mapping[str, str]] = {
    "partition": "UInt32",
    "epoch": "UInt64",
    "seq": "UInt64",
    "event_type": "LowCardinality(String)",
    "player_id": "UInt64",
    "tier": "LowCardinality(String)",
    "created_at": "DateTime64(3, 'UTC')",
    "op_id": "String",
    "economy": "LowCardinality(String)",
    "rules": "UInt32",
    "game": "LowCardinality(String)",
    "banner": "LowCardinality(String)",
    "currency": "LowCardinality(String)",
    "staked": "UInt64",
    "paid": "UInt64",
    "granted": "UInt64",
    "draws": "UInt16",
    "rarities": "Array(LowCardinality(String))",
    "items": "Array(LowCardinality(String))",
    "downgraded_from": "Array(LowCardinality(String))",
    "hard_pity": "Array(UInt8)",
    "guaranteed": "Array(UInt8)",
    "near_miss": "Array(UInt8)",
    "stock": "Array(Int64)",
    "pity_legendary": "UInt32",
    "pity_epic": "UInt32",
    "pity_rare": "UInt32",
    "pity_guaranteed": "UInt8",
    "crash_point": "Nullable(Float64)",
    "action_type": "LowCardinality(String)",
    "result": "String",
}
"""Columns of `game_events` and their types, as the rows here have them."""

_STOCK_UNKNOWN: Final = -1
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MS: Final = datetime.timedelta(milliseconds=1)


class NotARow(ValueError):
    """The message is none of an event, or lacks what the event's row needs. The text says what."""


class Row(NamedTuple):
    """What an event is in ClickHouse: its columns in the order of `COLUMNS`, and its day in UTC."""

    id: EventId
    day: datetime.date
    columns: tuple[object, ...]


class _Pity(msgspec.Struct, gc=False):
    since_legendary: int = 0
    since_epic: int = 0
    since_rare: int = 0
    guaranteed: bool = False


class _Draw(msgspec.Struct, gc=False):
    hard_pity: bool = False
    guaranteed: bool = False
    stock: int | None = None


class _Round(msgspec.Struct):
    game: str
    currency: str
    staked: int
    paid: int
    banner: str = ""
    pity: _Pity | None = None
    draws: list[_Draw] = []
    crash_point: float | None = None


class _Message(msgspec.Struct):
    """What is read of a message of any version, see `croupier_schemas.messages.EventMessage`."""

    event_id: str
    event_type: str
    player_id: int
    tier: str
    created_at: datetime.datetime
    op_id: str
    economy: str
    rules: int
    result: msgspec.Raw = msgspec.Raw(b"{}")
    round: _Round | None = None
    incomplete: str = ""


class _Item(msgspec.Struct, gc=False):
    rarity: str
    item_id: str
    near_miss: bool = False
    downgraded_from: str | None = None


class _Pulled(msgspec.Struct):
    items: list[_Item]


class _Granted(msgspec.Struct):
    amount: int
    reward_type: str


class _Recorded(msgspec.Struct):
    action_type: str


class _Bought(msgspec.Struct):
    sku: str
    price_cents: int
    currency: str
    gems_granted: int
    charge_id: str
    receipt_code: str


_decode = msgspec.json.Decoder(_Message).decode
_pulled = msgspec.json.Decoder(_Pulled).decode
_granted = msgspec.json.Decoder(_Granted).decode
_recorded = msgspec.json.Decoder(_Recorded).decode
_bought = msgspec.json.Decoder(_Bought).decode

_NO_DRAWS: Final[tuple[object, ...]] = (0, (), (), (), (), (), (), ())
_NO_PITY: Final = _Pity()
_NO_ROUND: Final = _Round("", "", 0, 0)


def row_of(value: bytes) -> Row:
    """The row of a message. Raises NotARow."""
    try:
        message = _decode(value)
        if message.incomplete:
            raise NotARow(f"the message is incomplete: {message.incomplete}")
        return _row(message)
    except (msgspec.MsgspecError, ValueError, UnicodeDecodeError, RecursionError) as error:
        raise error if isinstance(error, NotARow) else NotARow(str(error) or repr(error)) from None


def by_column(rows: Sequence[Row]) -> dict[str, Sequence[object]]:
    """Rows, of which there must be any, as ClickHouse takes them."""
    return dict(zip(COLUMNS, zip(*(row.columns for row in rows), strict=True), strict=True))


def _row(message: _Message) -> Row:
    at, event_type, played = message.created_at, message.event_type, message.round or _NO_ROUND
    if at.tzinfo is None:
        raise NotARow("created_at has no zone")
    id_, at_ms = EventId.parse(message.event_id), (at - _EPOCH) // _MS
    pity, draws = played.pity or _NO_PITY, _NO_DRAWS
    granted, currency, action_type = 0, played.currency, ""
    if played.draws:
        draws = _draws(played, _pulled(message.result).items)
    elif event_type == "rewards.granted":
        reward = _granted(message.result)
        granted, currency = reward.amount, reward.reward_type.lower()
    elif event_type == "actions.recorded":
        action_type = _recorded(message.result).action_type
    elif event_type == BOUGHT:
        _bought(message.result)  # which the view `purchases` reads from the text
    columns = (
        id_.partition, id_.epoch, id_.seq, event_type, message.player_id, message.tier, at_ms, message.op_id,
        message.economy, message.rules, played.game, played.banner, currency, played.staked, played.paid, granted,
        *draws,
        pity.since_legendary, pity.since_epic, pity.since_rare, pity.guaranteed, played.crash_point,
        action_type, bytes(message.result).decode(),
    )  # fmt: skip
    return Row(id_, at.astimezone(datetime.UTC).date(), columns)


def _draws(played: _Round, items: Sequence[_Item]) -> tuple[object, ...]:
    """The columns of the draws of a pull, in the order of `COLUMNS`."""
    if len(items) != len(played.draws):
        raise NotARow(f"{len(played.draws)} draws and {len(items)} items")
    return (
        len(items),
        [item.rarity for item in items],
        [item.item_id for item in items],
        [item.downgraded_from or "" for item in items],
        [draw.hard_pity for draw in played.draws],
        [draw.guaranteed for draw in played.draws],
        [item.near_miss for item in items],
        [_STOCK_UNKNOWN if draw.stock is None else draw.stock for draw in played.draws],
    )
