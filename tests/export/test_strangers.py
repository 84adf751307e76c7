"""Messages in the topics that are none of this log: they become dead letters, and hold up nothing."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer

from croupier_schemas.events import EventId
from croupier_schemas.messages import TOPIC_ACTIONS, TOPIC_REWARDS
from croupier_sync.export import reading
from croupier_sync.export.clickhouse import ClickHouseSink
from croupier_sync.export.dead_letters import export_letters, replay_export
from croupier_sync.export.messages import Renderer
from croupier_sync.pause import pause
from tests.export.olap import Olap, publish
from tests.export.support import repeated
from tests.sync.support import until

Headers = list[tuple[str, bytes | None]]
MESSAGE = {
    "event_id": "0-1-5", "event_type": "x.y", "player_id": 777_777, "tier": "STANDARD",
    "created_at": "2026-01-01T00:00:00Z", "op_id": "00" * 16, "economy": "", "rules": 1, "result": {},
}  # fmt: skip


def named(partition: bytes, epoch: bytes, seq: bytes) -> Headers:
    return [("partition", partition), ("epoch", epoch), ("seq", seq)]


def message(event_id: str) -> bytes:
    return json.dumps({**MESSAGE, "event_id": event_id}).encode()


STRANGERS: dict[str, tuple[bytes, Headers]] = {
    "header-without-value": (b"garbage", [("x", None)]),
    "place-without-value": (b"garbage", [("partition", None), ("epoch", b"1"), ("seq", b"1")]),
    "header-name-with-nul": (b"garbage", [("a\0b", b"\0")]),
    "headers-beyond-the-log": (b"garbage", named(b"0", b"1", b"9000000")),
    "headers-of-no-partition": (b"garbage", named(b"7", b"1", b"1")),
    "event-beyond-the-log": (message("0-1-9000000"), []),
    "event-of-no-partition": (message("7-1-1"), []),
}


@pytest.fixture
def olap(read_in_kafka: Olap) -> Olap:
    return read_in_kafka


async def send(olap: Olap, topic: str, *messages: tuple[bytes, Headers]) -> None:
    """Put messages into a topic that no publisher of this installation has sent."""
    assert olap.kafka is not None
    producer = AIOKafkaProducer(bootstrap_servers=olap.kafka.bootstrap_servers)
    await producer.start()
    try:
        for value, headers in messages:
            await producer.send_and_wait(topic, value, key=b"7", headers=headers, partition=1)
    finally:
        await producer.stop()


async def letters(olap: Olap) -> list[tuple[EventId | None, str]]:
    return [(letter.event, letter.error) for letter in await export_letters(olap.connection)]


async def until_put_aside(olap: Olap, count: int) -> None:
    async def put_aside() -> bool:
        return len(await letters(olap)) == count

    await until(put_aside, f"{count} dead letters")


async def test_given_messages_that_are_none_of_this_log_when_read_then_all_are_dead_letters_and_the_rest_goes_on(
    olap: Olap,
) -> None:
    async with olap.exporting() as (_, sink):
        await send(olap, TOPIC_ACTIONS, *STRANGERS.values())
        await until_put_aside(olap, len(STRANGERS))
        assert sink.status.state == "following"
        await olap.append(repeated(olap.log, 100))
        await olap.until_in_clickhouse()
    await olap.require_each_event_once()
    assert {event for event, _ in await letters(olap)} == {None}, (
        "events that come later would pass for taken"
    )
    outcomes = [
        each.error
        async for each in replay_export(
            olap.connection, olap.clickhouse, await export_letters(olap.connection), "buy_package"
        )
    ]
    assert all(outcomes) and len(outcomes) == len(STRANGERS)
    await olap.require_each_event_once()


async def test_given_a_message_followed_by_events_at_once_when_read_then_it_is_a_dead_letter_all_the_same(
    olap: Olap,
) -> None:
    await send(olap, TOPIC_ACTIONS, (b"garbage", []))
    await olap.append(repeated(olap.log, 100))
    before = await generation(olap)
    await publish(olap)
    assert await generation(olap) > before, "there is a message that the publisher knows nothing of"
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await until_put_aside(olap, 1)
    await olap.require_each_event_once()


async def generation(olap: Olap) -> int:
    found: int = await olap.connection.fetchval("SELECT generation FROM topic_generation")
    return found


async def test_given_another_installation_in_the_same_topics_when_read_then_its_events_are_not_taken_for_ours(
    olap: Olap,
) -> None:
    (later,) = repeated(olap.log, 1)
    renderer = Renderer("buy_package")
    await renderer.prepare(olap.connection, [later])
    (ours,) = renderer.render([later])
    assert dict(ours.headers)["installation"] == await installation(olap)
    theirs: Headers = [
        (name, b"another" if name == "installation" else value) for name, value in ours.headers
    ]
    value = ours.value.replace(f'"player_id":{later.header.uid}'.encode(), b'"player_id":777777')
    await send(olap, TOPIC_REWARDS, (value, theirs))
    async with olap.exporting():
        await until_put_aside(olap, 1)
        await olap.append([later])
        await olap.until_in_clickhouse()
    assert [error for _, error in await letters(olap)] == ["the message is of installation another"]
    await olap.require_each_event_once()


async def installation(olap: Olap) -> bytes:
    found: str = await olap.connection.fetchval("SELECT id FROM installation")
    return found.encode()


async def test_given_as_many_messages_as_are_read_ahead_when_none_is_published_yet_then_the_sink_waits_in_peace(
    olap: Olap, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = repeated(olap.log, 12)
    renderer = Renderer("buy_package")
    await renderer.prepare(olap.connection, later)
    await olap.append(later)
    # As the publisher sends them, which has not said yet that it has.
    sent: list[tuple[bytes, Headers]] = [(each.value, [*each.headers]) for each in renderer.render(later)]
    await send(olap, TOPIC_ACTIONS, *sent)
    pauses = 0

    async def counted(stop: asyncio.Event, seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        await pause(stop, seconds)

    async def paused() -> bool:
        return pauses >= 2

    monkeypatch.setattr(reading, "pause", counted)
    following = asyncio.create_task(olap.follow_once(ClickHouseSink(olap.settings, batch_max=5)))
    await until(paused, "the sink to wait for the publisher")
    await publish(olap)
    await following
    await olap.require_each_event_once()
