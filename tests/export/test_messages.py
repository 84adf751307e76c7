"""Messages: what stands in them, what never does, and that a consumer of today reads those of tomorrow."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from croupier.fairness.seeds import MasterKeys
from croupier_schemas import messages
from croupier_schemas.events import Event
from croupier_schemas.messages import EventMessage, Round
from croupier_schemas.messages.schema import VERSIONS, json_schema
from croupier_schemas.records import FAIRNESS_ROTATED, PLAYER
from croupier_sync.export.messages import VALUE_BYTES_MAX, Message, Renderer
from tests.export.frozen_v1 import EventMessageV1
from tests.export.support import IDEMPOTENCY_KEY, REWARD_KEY, Exported, installation_of_played, repeated
from tests.sync.support import MASTER_KEYS

FILES = Path(messages.__file__).parent


async def rendered(exported: Exported, events: list[Event]) -> list[Message]:
    renderer = Renderer("buy_package")
    await renderer.prepare(exported.connection, events)
    return renderer.render(events)


def changed(event: Event, **fields: Any) -> Event:
    """The event with some of its header's fields, or its own, replaced."""
    header = {name: value for name, value in fields.items() if name in event.header.__struct_fields__}
    rest = {name: value for name, value in fields.items() if name not in header}
    return msgspec.structs.replace(event, header=msgspec.structs.replace(event.header, **header), **rest)


async def test_given_events_of_all_games_when_rendered_then_what_was_staked_and_paid_is_said(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    bodies = [json.loads(message.value) for message in await rendered(exported, log)]
    of_type = {body["event_type"]: body for body in bodies}
    assert of_type.keys() >= {
        "economy.changed", "gacha.pulled", "crash.bet_placed", "crash.settled", "slot.spun", "rps.played",
        "session.started", "session.ended", "rewards.granted", "fairness.rotated",
    }  # fmt: skip
    for body in bodies:
        if body["event_type"] == "gacha.pulled":
            played = body["round"]
            assert len(played["draws"]) == len(body["result"]["items"])
            assert played["staked"] == body["result"]["cost_used"]
            assert (played["banner"], played["currency"]) in {("standard", "tokens"), ("festival", "gems")}
            assert played["pity"].keys() == {"since_legendary", "since_epic", "since_rare", "guaranteed"}
    rounds = await exported.connection.fetch(
        "SELECT type, terms, result FROM events WHERE type = 'slot.spun'"
    )
    assert len(rounds) == sum(body["event_type"] == "slot.spun" for body in bodies)
    assert of_type["slot.spun"]["round"]["staked"] > 0
    assert of_type["crash.bet_placed"]["round"]["crash_point"] is None
    assert of_type["crash.settled"]["round"]["crash_point"] >= 1.0
    assert of_type["session.ended"]["result"]["result_data"]["rounds"] >= 0
    assert of_type["economy.changed"]["result"] == {}


async def test_given_a_log_when_rendered_then_stakes_and_payments_are_those_of_the_ledger(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    of_rounds: dict[str, int] = {"tokens": 0, "gems": 0}
    for message in await rendered(exported, log):
        played = msgspec.json.decode(message.value, type=EventMessage).round
        if played is not None:
            of_rounds[played.currency] += played.paid - played.staked
    sums = await exported.connection.fetch(
        "SELECT currency, sum(delta)::bigint FROM wallet_ledger"
        " WHERE type NOT IN ('player.created', 'rewards.granted') GROUP BY currency"
    )
    assert of_rounds == dict(map(tuple, sums))


async def test_given_a_log_when_rendered_then_no_secret_and_no_key_of_a_client_is_in_it(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    found = b"".join(
        part
        for message in await rendered(exported, log)
        for part in (message.key, message.value, *(value for _, value in message.headers))
    )
    assert IDEMPOTENCY_KEY.encode() not in found
    assert REWARD_KEY.encode() not in found
    revealed = {
        FAIRNESS_ROTATED.unpack(event.result).revealed_seed
        for event in log
        if event.header.type == "fairness.rotated"
    }
    assert revealed
    assert all(seed in found for seed in revealed)
    live = 0
    for event in log:
        if event.header.type == "fairness.rotated":
            player = PLAYER.unpack(event.changes[0].value or b"")
            seed = MasterKeys.parse(MASTER_KEYS).seed(
                installation_of_played(), event.header.uid, player.seed_generation, player.seed_key
            )
            assert hashlib.sha256(seed.reveal().encode()).digest() == player.commitment
            assert seed.reveal().encode() not in found
            live += 1
    assert live == len(revealed)
    assert b"changes" not in found


async def test_given_an_event_that_cannot_be_rendered_when_published_then_what_is_known_is_and_the_rest_goes_on(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    pull = next(event for event in log if event.header.type == "gacha.pulled")
    strange = [
        changed(pull, type="poker.dealt"),
        changed(pull, economy=b"\x01" * 32),
        changed(pull, result=b"\xff" * 9),
        changed(pull, terms=msgspec.Raw(b"\xc1")),
        changed(pull, changes=()),
        changed(pull, ts_ms=-(10**17)),
        changed(pull, ts_ms=2**62),
        changed(pull, economy=b"", uid=-1),
    ]
    places = [event.id for event in repeated(log, len(strange) + 1)]
    events = [
        msgspec.structs.replace(event, id=place)
        for event, place in zip([*strange, pull], places, strict=True)
    ]
    for event in events:
        await exported.insert(event)
    async with exported.publisher(batch_max=50):
        await exported.until_published()
    bodies = {message.event_id: message.body for message in await exported.require_published_once()}
    told = [bodies[event.id]["incomplete"] for event in events]
    assert [bool(text) for text in told] == [False, True, True, True, True, False, False, True, False]
    assert "economy 0101" in told[1]
    assert bodies[events[0].id]["result"] == {}
    assert bodies[events[-1].id]["result"]["items"]
    for event, text in zip(events, told, strict=True):
        if text:
            assert (bodies[event.id]["result"], bodies[event.id]["round"]) == ({}, None)
            assert bodies[event.id]["op_id"] == event.header.op_id.hex()


async def test_given_an_event_that_is_far_too_large_when_rendered_then_its_message_is_small_and_says_why(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    recorded = ["open_shop", {"text": "x" * 2 * VALUE_BYTES_MAX}]
    large = changed(log[-1], type="actions.recorded", terms=msgspec.Raw(msgspec.msgpack.encode(recorded)))
    (message,) = await rendered(exported, [large])
    assert len(message.value) < 1_000
    assert str(2 * VALUE_BYTES_MAX)[:3] in json.loads(message.value)["incomplete"]


async def test_given_a_rendered_log_when_a_consumer_of_the_first_version_reads_then_it_understands_every_message(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    decode = msgspec.json.Decoder(EventMessageV1).decode
    for message in await rendered(exported, log):
        assert decode(message.value).schema == 1


def test_given_a_message_of_a_later_version_when_a_consumer_of_the_first_reads_then_it_ignores_what_is_new() -> (
    None
):
    later = {
        "event_id": "0-1-42", "event_type": "poker.dealt", "player_id": 7, "tier": "DIAMOND",
        "created_at": "2026-01-01T00:00:00.123Z", "op_id": "00" * 16, "economy": "", "rules": 2, "schema": 2,
        "result": {"cards": ["A", "K"]}, "seat": 3, "incomplete": "",
        "round": {"game": "poker", "currency": "tokens", "staked": 1, "paid": 2, "banner": "", "pity": None,
                  "draws": [], "crash_point": None, "rake": 1},
    }  # fmt: skip
    read = msgspec.json.decode(json.dumps(later), type=EventMessageV1)
    assert (read.event_type, read.player_id, read.schema) == ("poker.dealt", 7, 2)
    assert read.round is not None
    assert read.round.staked == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_given_the_schema_of_a_version_when_compared_with_its_file_then_nothing_has_changed(
    version: int,
) -> None:
    # Written by `python -m croupier_schemas.messages.schema`. A field that a version has lost is a new version.
    assert json.loads((FILES / f"event_v{version}.json").read_text()) == json_schema()


def test_given_the_messages_of_today_when_compared_with_the_first_version_then_every_field_of_that_is_there() -> (
    None
):
    _require_kept(_properties("EventMessageV1", EventMessageV1), _properties("EventMessage", EventMessage))
    _require_kept(_properties("RoundV1", EventMessageV1), _properties("Round", EventMessage))
    assert set(Round.__struct_fields__) >= {"game", "currency", "staked", "paid"}


def _properties(name: str, root: type) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([root], ref_template="#/$defs/{name}")
    properties: dict[str, Any] = components[name]["properties"]
    return properties


def _require_kept(first: dict[str, Any], now: dict[str, Any]) -> None:
    for name, form in first.items():
        assert name in now, f"{name} is gone: consumers of the first version need it"
        assert _form(now[name]) == _form(form), f"{name} has another type than in the first version"


def _form(schema: dict[str, Any]) -> Any:
    """The type of a field, without descriptions, defaults, and names of other structs."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2].removesuffix("V1")
    return {
        key: [_form(each) for each in value] if key == "anyOf" else _form(value) if key == "items" else value
        for key, value in schema.items()
        if key not in ("description", "default", "examples", "title")
    }
