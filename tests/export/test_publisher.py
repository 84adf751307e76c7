"""The publisher: exactly the log, in the order of each player, whatever fails on the way."""

from collections import defaultdict
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import msgspec
import pytest

from croupier_schemas.events import Event
from croupier_schemas.messages import TOPIC_ACTIONS, TOPIC_PURCHASES, TOPIC_REWARDS, ShopBought
from croupier_sync.export import publisher as publishing
from croupier_sync.export.cursors import Place, move_cursor
from croupier_sync.export.kafka import partition_of
from croupier_sync.export.log import read_after
from croupier_sync.export.published import record_published
from tests.export.support import TOPIC_PARTITIONS, Exported, by_the_rule, repeated
from tests.sync.support import PARTITION, until


async def test_given_a_log_when_published_then_each_event_is_one_message_of_its_topic_under_its_player(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    async with exported.publisher():
        await exported.until_published()
    events = {event.id: event for event in log}
    found = await exported.require_published_once()
    for message in found:
        event = events[message.event_id]
        rewards = event.header.type.startswith("rewards.")
        assert message.topic == (TOPIC_REWARDS if rewards else TOPIC_ACTIONS)
        assert message.key == str(event.header.uid).encode()
        assert message.topic_partition == partition_of(message.key, TOPIC_PARTITIONS)
        assert message.timestamp == event.ts_ms
        assert message.headers == {
            "partition": str(event.id.partition),
            "epoch": str(event.id.epoch),
            "seq": str(event.id.seq),
            "schema": "1",
            "type": event.header.type,
        }
        assert message.body["event_id"] == str(event.id)
        assert message.body["incomplete"] == ""
    assert {message.topic for message in found} == {TOPIC_ACTIONS, TOPIC_REWARDS}


async def test_given_many_batches_when_published_then_each_player_has_the_order_of_the_log(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    for event in repeated(log, 300):
        await exported.insert(event)
    async with exported.publisher(batch_max=7):
        await exported.until_published()
    of_player: dict[tuple[str, bytes], list[Any]] = defaultdict(list)
    for message in await exported.require_published_once():
        of_player[message.topic, message.key].append(message.event_id)
    assert all(ids == sorted(ids) for ids in of_player.values())
    assert await exported.generation() == 0


async def test_given_a_purchase_when_published_then_it_stands_in_the_topic_of_purchases_with_its_terms(
    exported: Exported, log: list[Event]
) -> None:
    bought = ShopBought("gems-100", 499, "USD", 100, "charge-1", "receipt-1")
    header = msgspec.structs.replace(
        log[-1].header, type="shop.bought", terms=msgspec.Raw(msgspec.msgpack.encode(bought))
    )
    await exported.append(log)
    purchase = msgspec.structs.replace(repeated(log, 1)[0], header=header)
    await exported.insert(purchase)
    async with exported.publisher():
        await exported.until_published()
    (message,) = [each for each in await exported.require_published_once() if each.topic == TOPIC_PURCHASES]
    assert message.event_id == purchase.id
    assert message.body["result"] == msgspec.structs.asdict(bought)


async def test_given_a_crash_between_ack_and_cursor_when_started_again_then_whoever_follows_the_rule_has_each_once(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    record, crashes = record_published, iter([OSError("crashed")])

    async def crash_once(*arguments: Any, **named: Any) -> None:
        for crash in crashes:
            raise crash
        await record(*arguments, **named)

    monkeypatch.setattr(publishing, "record_published", crash_once)
    await exported.append(log)
    async with exported.publisher(batch_max=20):
        await exported.until_published()
    found = await exported.read(len(log) + 20)
    assert len(found) == len(log) + 20
    taken = by_the_rule(found)
    assert sorted(message.event_id for message in taken) == [event.id for event in log]


async def test_given_a_cursor_that_another_daemon_moved_on_when_published_then_it_goes_on_from_there(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Any] = []

    async def moved_before(
        connection: Any, partition: int, before: Any, after: Any, *rest: Any, **named: Any
    ) -> None:
        if not moved:
            moved.append(after)
            other = await asyncpg.connect(exported.database_url)
            await move_cursor(other, "kafka", PARTITION, before, Place.of(log[39].id))
            await other.close()
        await record_published(connection, partition, before, after, *rest, **named)

    monkeypatch.setattr(publishing, "record_published", moved_before)
    await exported.append(log)
    async with exported.publisher(batch_max=20):
        await exported.until_published()
    found = sorted(message.event_id for message in await exported.read(len(log) - 20))
    assert found == [event.id for event in (*log[:20], *log[40:])], (
        "the other daemon publishes what is between"
    )


async def test_given_two_publishers_when_the_first_ends_then_the_other_goes_on(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)
    async with AsyncExitStack() as later:
        async with exported.publisher() as first:
            await exported.until_published()
            second = await later.enter_async_context(exported.publisher())
            for event in repeated(log, 5):
                await exported.insert(event)
            await exported.until_published()
            assert (first.status.state, second.status.state) == ("following", "starting")
        for event in repeated(exported.log, 5):
            await exported.insert(event)
        await exported.until_published()
        assert (first.status.state, second.status.state) == ("ended", "following")
    await exported.require_published_once()


async def test_given_a_backlog_when_published_then_no_more_than_two_batches_are_held(
    exported: Exported, log: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, most = 0, 0
    read, record = read_after, record_published

    async def counted_read(*arguments: Any) -> list[Event]:
        nonlocal held, most
        events = await read(*arguments)
        held += len(events)
        most = max(most, held)
        return events

    async def counted_record(*arguments: Any, **named: Any) -> None:
        nonlocal held
        await record(*arguments, **named)
        held -= 10

    monkeypatch.setattr(publishing, "read_after", counted_read)
    monkeypatch.setattr(publishing, "record_published", counted_record)
    await exported.append(log[:50])
    async with exported.publisher(batch_max=10):
        await exported.until_published()
    assert most == 20


async def test_given_a_publisher_when_it_follows_then_postgres_says_so_and_says_when_it_has_ended(
    exported: Exported, log: list[Event]
) -> None:
    await exported.append(log)

    async def state() -> str:
        found: str = await exported.connection.fetchval("SELECT state FROM sinks WHERE sink = 'kafka'")
        return found

    async def following() -> bool:
        return await state() == "following"

    async with exported.publisher():
        await until(following, "the state to be written")
    assert await state() == "ended"
