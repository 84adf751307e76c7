"""`actions.record`: what a client reports is in the log once, and changes nothing else."""

import asyncio
from typing import Any

import msgspec
import pytest

from croupier.actions.record import RECORD
from croupier.clock import utc
from croupier_schemas import keys
from croupier_schemas.actions import DATA_BYTES_MAX, ActionsRecord, ActionsRecordReply
from croupier_schemas.records import FLAG_BANNED, PLAYER
from tests.commands.conftest import OpenWorld
from tests.commands.economies import economy
from tests.commands.world import P, World, caller, encoded

DATA: dict[str, object] = {"sku": "gems-small", "place": {"row": 2, "after": ["banner", None, True, 0.5]}}


async def record(world: World, uid: int, *, key: str = "", data: Any = None) -> ActionsRecordReply:
    """A report that must succeed or raise CroupierError."""
    request = ActionsRecord("open_shop", DATA if data is None else data)
    return (await world.engine.execute(RECORD, caller(uid, key=key), request)).reply


async def test_given_a_new_player_when_an_action_is_recorded_then_event_and_reply_say_what_it_was(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy(initial_tokens=500, initial_gems=3))

    reply = await record(world, 7)

    (event,) = await world.events("actions.recorded")
    assert (reply.action_type, reply.action_data) == ("open_shop", DATA)
    assert reply.recorded_at == utc(world.clock())
    assert reply.receipt.event_id == str(event.id)
    assert event.created and event.result == b""
    assert msgspec.msgpack.decode(event.header.terms) == ["open_shop", DATA]
    assert [change.key for change in event.changes] == [keys.player(P, 7)]
    player = PLAYER.unpack(event.image(keys.player(P, 7)) or b"")
    assert (player.tokens, player.gems, player.nonce) == (500, 3, 0)


async def test_given_a_player_when_actions_are_recorded_then_the_durable_record_stays_as_it_was(
    world: World,
) -> None:
    await world.pull(1)
    before = await world.existing_player(1)

    await record(world, 1)
    await record(world, 1)

    after = await world.existing_player(1)
    assert PLAYER.pack_durable(after) == PLAYER.pack_durable(before)


async def test_given_a_key_when_the_report_is_repeated_then_the_first_reply_comes_again_byte_for_byte(
    world: World,
) -> None:
    first = await record(world, 1, key="a-1", data={"z": 1, "a": {"y": 2, "b": 3}})
    world.clock.now_ms += 1_000

    again = await record(world, 1, key="a-1", data={"a": {"b": 3, "y": 2}, "z": 1})

    assert encoded(again) == encoded(first)
    assert len(await world.events("actions.recorded")) == 1


async def test_given_a_key_when_another_action_comes_under_it_then_it_is_refused(world: World) -> None:
    await record(world, 1, key="a-1")

    error = await world.refused(record(world, 1, key="a-1", data={}))

    assert error.code == "IDEMPOTENCY_KEY_REUSED"


async def test_given_100_reports_with_one_key_at_once_when_all_are_done_then_there_is_one_event(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy())

    replies = await asyncio.gather(*(record(world, 1, key="once") for _ in range(100)))

    assert len({encoded(reply) for reply in replies}) == 1
    assert len(await world.events("actions.recorded")) == 1


async def test_given_a_banned_player_when_an_action_is_reported_then_it_is_refused(world: World) -> None:
    await world.pull(1)
    await world.change_player(1, flags=FLAG_BANNED)

    assert (await world.refused(record(world, 1))).code == "PLAYER_BANNED"


async def test_given_a_self_excluded_player_and_maintenance_when_an_action_is_reported_then_it_is_recorded(
    open_world: OpenWorld,
) -> None:
    world = await open_world(economy())
    await world.pull(1)
    await world.change_player(1, excluded_until_ms=world.clock() + 1)
    await world.push(economy(maintenance=True))

    assert (await record(world, 1)).action_type == "open_shop"


async def test_given_a_rate_limit_when_actions_are_reported_then_they_count_with_the_games(
    open_world: OpenWorld,
) -> None:
    two = {"per_second": 2, "per_minute": 2}
    limits = {"mode": "enforce", "games": dict.fromkeys(("STANDARD", "PREMIUM", "VIP"), two)}
    world = await open_world(economy(rate_limit=limits))
    await record(world, 1)
    await world.pull(1)

    error = await world.refused(record(world, 1))

    assert (error.code, error.fields["scope"]) == ("RATE_LIMITED", "games")


@pytest.mark.parametrize("name", ["", "Open", "1st", "open-shop", "open shop", "o" * 65, "open_shop\n", "ö"])
def test_given_a_type_of_another_form_when_decoded_then_it_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="action_type"):
        msgspec.json.decode(msgspec.json.encode({"action_type": name}), type=ActionsRecord)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"text": "x" * (DATA_BYTES_MAX - len('{"text":""}') + 1)}, "longer than 2,048 bytes"),
        ({"text": "ß" * (DATA_BYTES_MAX // 2)}, "longer than 2,048 bytes"),
        ({"a": {"b": {"c": {"d": {}}}}}, "nested more than 4 deep"),
        ({"a": [[[[]]]]}, "nested more than 4 deep"),
        ({"a": [{"b": 2**53}]}, "2\\^53"),
        ({"a": -(2**53)}, "2\\^53"),
        ({"a": [float("nan")]}, "out of range"),
        ({"a": {"b": float("-inf")}}, "out of range"),
    ],
)
def test_given_data_beyond_a_bound_when_a_request_is_made_then_it_is_refused(
    data: dict[str, object], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        ActionsRecord("open_shop", data)


@pytest.mark.parametrize(
    "data",
    [
        {"text": "x" * (DATA_BYTES_MAX - len('{"text":""}'))},
        {"a": {"b": {"c": {"d": 1}}}},
        {"a": [[[2**53 - 1, -(2**53 - 1), "", None, False, 1e300]]]},
    ],
)
def test_given_data_at_a_bound_when_decoded_then_it_is_taken(data: dict[str, object]) -> None:
    request = msgspec.json.decode(
        msgspec.json.encode({"action_type": "a", "action_data": data}), type=ActionsRecord
    )
    assert request.action_data == data
