"""From messages to rows: of every type of event, of later versions, and of what is no message."""

from typing import Any

import asyncpg
import msgspec
import pytest

from croupier_schemas.events import Event
from croupier_sync.export.messages import Renderer
from croupier_sync.export.rows import COLUMNS, NotARow, row_of
from tests.export.olap import mirror_economies, purchase

MESSAGE: dict[str, Any] = {
    "event_id": "0-1-42",
    "event_type": "slot.spun",
    "player_id": 7,
    "tier": "VIP",
    "created_at": "2027-01-15T08:00:01.250Z",
    "op_id": "00" * 16,
    "economy": "ab",
    "rules": 1,
    "schema": 1,
    "result": {"payout": 30},
    "round": {"game": "slot", "currency": "tokens", "staked": 10, "paid": 30},
}


def row(**changes: Any) -> dict[str, Any]:
    """The columns of a message like the one above."""
    value = msgspec.json.encode(MESSAGE | changes)
    return dict(zip(COLUMNS, row_of(value).columns, strict=True))


async def test_given_events_of_every_type_when_rendered_then_each_has_a_row(
    connection: asyncpg.Connection, log: list[Event]
) -> None:
    await mirror_economies(connection, log)
    renderer = Renderer("buy_package")
    await renderer.prepare(connection, log)
    events = [*log, purchase(log[-1])]
    rows = [row_of(message.value) for message in renderer.render(events)]
    assert [each.id for each in rows] == [event.id for event in events]
    pulls: list[dict[str, Any]] = [
        dict(zip(COLUMNS, each.columns, strict=True)) for each in rows if each.columns[16]
    ]
    assert pulls
    for pull in pulls:
        assert pull["event_type"] == "gacha.pulled"
        assert {len(pull[name]) for name in ("rarities", "items", "stock", "hard_pity")} == {pull["draws"]}


def test_given_a_message_of_the_next_version_when_read_then_what_is_known_of_it_is_a_row() -> None:
    later = row(schema=2, event_type="dice.thrown", weather="fair", round=MESSAGE["round"] | {"luck": [1]})
    assert (later["event_type"], later["staked"], later["paid"]) == ("dice.thrown", 10, 30)
    assert later["created_at"] == 1_800_000_001_250


def test_given_a_reward_and_a_report_when_read_then_their_columns_are_filled() -> None:
    reward = row(
        event_type="rewards.granted", round=None, result={"amount": 5, "reward_type": "GEMS", "x": 1}
    )
    assert (reward["granted"], reward["currency"]) == (5, "gems")
    report = row(event_type="actions.recorded", round=None, result={"action_type": "open_shop"})
    assert report["action_type"] == "open_shop"


@pytest.mark.parametrize(
    "changes",
    [
        {"event_id": "0-1"},
        {"created_at": "2027-01-15T08:00:01"},
        {"player_id": "7"},
        {"incomplete": "economy is not known"},
        {"event_type": "shop.bought", "round": None},
        {"event_type": "rewards.granted", "round": None},
        {"round": MESSAGE["round"] | {"draws": [{}]}, "result": {"items": []}},
    ],
)
def test_given_a_message_that_lacks_something_when_read_then_it_is_no_row(changes: dict[str, Any]) -> None:
    with pytest.raises(NotARow):
        row(**changes)


@pytest.mark.parametrize("value", [b"", b"null", b"\xff", b"[" * 100_000, b'{"event_id":'])
def test_given_what_is_no_message_when_read_then_it_is_no_row(value: bytes) -> None:
    with pytest.raises(NotARow):
        row_of(value)
