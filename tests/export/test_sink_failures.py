"""The sink ClickHouse while something fails: nothing is lost, nothing comes twice, and what is poison lies aside."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import asyncpg
import msgspec.msgpack as msgpack
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from croupier_cli.embedded import Kafka
from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_schemas.events import Event
from croupier_schemas.messages import TOPIC_ACTIONS, TOPIC_DEAD_LETTERS
from croupier_sync.export import messages, rounds, writer
from croupier_sync.export.dead_letters import ExportReplayed, export_letters, replay_export
from tests.export.olap import Olap, olap_of, until_read_in_kafka
from tests.export.support import TOPIC_PARTITIONS, repeated
from tests.sync.support import until


async def failures(olap: Olap) -> list[tuple[Any, ...]]:
    rows = await olap.connection.fetch(
        "SELECT partition, epoch, seq, error FROM export_failures ORDER BY seq"
    )
    return [tuple(row) for row in rows]


async def replay(olap: Olap) -> list[ExportReplayed]:
    letters = await export_letters(olap.connection)
    return [each async for each in replay_export(olap.connection, olap.clickhouse, letters, "buy_package")]


async def until_failed(olap: Olap, count: int) -> None:
    async def failed() -> bool:
        return len(await failures(olap)) == count

    await until(failed, "the dead letters")


async def test_given_clickhouse_down_when_events_come_then_kafka_has_them_and_clickhouse_gets_them_later(
    own: Olap, kafka: Kafka, tmp_path: Path
) -> None:
    own.kafka = kafka
    async with own.exporting() as sinks:
        await own.until_in_clickhouse()
        own.server.kill()
        await own.append(repeated(own.log, 300))

        async def published() -> bool:
            seq = await own.connection.fetchval("SELECT seq FROM sink_cursors WHERE sink = 'kafka'")
            return bool(seq == own.log[-1].id.seq and sinks[-1].status.state == "unreachable")

        await until(published, "all to be in Kafka, and the sink to notice")
        with Server.start(tmp_path / "clickhouse", port=own.server.port):
            await own.until_in_clickhouse()
            await own.until_counted()
            await own.require_each_event_once()
            await own.require_days_counted()
    assert await failures(own) == []


async def test_given_clickhouse_that_stands_still_when_inserting_then_it_is_tried_again_and_no_dead_letter(
    own: Olap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "INSERT_TIMEOUT_S", 0.5)
    async with own.exporting() as (sink,):
        await own.until_in_clickhouse()
        await own.until_counted()
        os.kill(own.server.pid, signal.SIGSTOP)
        try:
            await own.append(repeated(own.log, 300))

            async def noticed() -> bool:
                return bool(sink.status.state == "unreachable")

            await until(noticed, "the sink to notice")
        finally:
            os.kill(own.server.pid, signal.SIGCONT)
        # What had been sent to it may be inserted now, and is sent again.
        await own.until_in_clickhouse()
        await own.until_counted()
    await own.require_each_event_once()
    assert await failures(own) == []


async def test_given_events_that_clickhouse_refuses_when_exported_then_the_rest_is_there_and_they_follow_after_the_fix(
    olap: Olap,
) -> None:
    poison = sorted(event.id.seq for event in olap.log[20:40:9])
    refuse = f"CHECK seq NOT IN ({', '.join(map(str, poison))})"
    await olap.clickhouse.execute(f"ALTER TABLE game_events ADD CONSTRAINT fit {refuse}", timeout_s=10)
    async with olap.exporting():
        await olap.until_in_clickhouse(len(olap.log) - len(poison))
        await until_failed(olap, len(poison))
        assert [failure[2] for failure in await failures(olap)] == poison
        assert all("VIOLATED_CONSTRAINT" in failure[3] for failure in await failures(olap))
        assert {bool(each.error) for each in await replay(olap)} == {True}, "the cause is still there"

        await olap.clickhouse.execute("ALTER TABLE game_events DROP CONSTRAINT fit", timeout_s=10)
        both = await asyncio.gather(replay(olap), _replay_elsewhere(olap))
        assert [each.error for side in both for each in side] == [""] * len(poison)
        await olap.append(repeated(olap.log, 50))
        await olap.until_in_clickhouse()
        await olap.until_counted()
    await olap.require_each_event_once()
    await olap.require_days_counted()
    assert await failures(olap) == []


async def _replay_elsewhere(olap: Olap) -> list[ExportReplayed]:
    connection = await asyncpg.connect(olap.database_url)
    try:
        letters = await export_letters(connection)
        return [each async for each in replay_export(connection, olap.clickhouse, letters, "buy_package")]
    finally:
        await connection.close()


async def test_given_an_event_that_cannot_be_rendered_when_exported_then_it_lies_aside_until_it_can(
    olap: Olap, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = next(event for event in olap.log if event.header.type == "slot.spun")

    def broken(event: Event) -> Any:
        if event.id == victim.id:
            raise ValueError("broken")
        return spun(event)

    spun = rounds.ROUNDS["slot.spun"]
    with monkeypatch.context() as patch:
        patch.setitem(rounds.ROUNDS, "slot.spun", broken)
        async with olap.exporting():
            await olap.until_in_clickhouse(len(olap.log) - 1)
            await until_failed(olap, 1)
    ((_, _, seq, error),) = await failures(olap)
    assert (seq, "broken" in error) == (victim.id.seq, True)
    assert [each.error for each in await replay(olap)] == [""]
    async with olap.exporting():
        await olap.until_counted()
    await olap.require_each_event_once()
    await olap.require_days_counted()


async def test_given_messages_that_are_none_when_read_then_they_are_dead_letters_here_and_in_kafka(
    olap: Olap, kafka: Kafka
) -> None:
    olap.kafka = kafka
    garbage: list[tuple[bytes | None, list[tuple[str, bytes | None]]]] = [
        (b"not json", []),
        (b'{"event_id": 5}', [("type", b"x")]),
        (msgpack.encode({"event_id": "0-1-2", "event_type": "slot.spun"}), []),
        (b'{"version": 2, "events": [{"id": "0-1-2"}]}', [("schema", b"2"), ("partition", b"zero")]),
        (b"\xff\xfe\x00", [("seq", b"\xff")]),
        (b"{}", [("partition", None), ("a\0b", b"\0")]),
        (b"[" * 100_000, []),
        (b"", []),
        (None, []),
    ]
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await until_read_in_kafka(olap)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        await producer.start()
        for value, headers in garbage:
            await producer.send_and_wait(TOPIC_ACTIONS, value, key=b"7", headers=headers, partition=1)
        await producer.stop()
        await until_failed(olap, len(garbage))
        await olap.append(repeated(olap.log, 200))
        await olap.until_in_clickhouse()
    await olap.require_each_event_once()
    found = await dead_letters_of(kafka, len(garbage))
    assert sorted(message.value for message in found) == sorted(value or b"" for value, _ in garbage)
    headers_found = dict(found[0].headers)
    assert headers_found["dead-letter-topic"] == TOPIC_ACTIONS.encode()
    assert headers_found["dead-letter-partition"] == b"1"
    letters = await export_letters(olap.connection)
    assert {letter.message.rpartition("/")[0] for letter in letters} == {f"{TOPIC_ACTIONS}/1"}
    assert {bool(each.error) for each in await replay(olap)} == {True}, "they stay what they are"
    assert len(await export_letters(olap.connection)) == len(garbage)


async def test_given_a_message_that_names_an_event_of_the_future_when_read_then_it_is_a_dead_letter_and_blocks_none(
    olap: Olap, kafka: Kafka
) -> None:
    olap.kafka = kafka
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await until_read_in_kafka(olap)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        await producer.start()
        for partition in range(TOPIC_PARTITIONS):
            headers = [("partition", b"0"), ("epoch", b"99"), ("seq", b"5")]
            await producer.send_and_wait(TOPIC_ACTIONS, b"{}", key=b"7", headers=headers, partition=partition)
        await producer.stop()
        await until_failed(olap, TOPIC_PARTITIONS)
        await olap.append(repeated(olap.log, 200))
        await olap.until_in_clickhouse()
        await olap.until_counted()
    await olap.require_each_event_once()


async def test_given_a_message_of_an_event_that_cannot_be_read_when_replayed_then_its_row_is_made_from_the_log(
    olap: Olap, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    olap.kafka = kafka
    later = repeated(olap.log, 60)
    victim = next(event for event in later if event.header.type == "gacha.pulled")
    render = messages.Renderer._message

    def cut_short(self: messages.Renderer, event: Event) -> messages.Message:
        message = render(self, event)
        return message._replace(value=message.value[:-20]) if event.id == victim.id else message

    with monkeypatch.context() as patch:
        async with olap.exporting():
            await olap.until_in_clickhouse()
            await until_read_in_kafka(olap)
            patch.setattr(messages.Renderer, "_message", cut_short)
            await olap.append(later)
            await olap.until_in_clickhouse(len(olap.log) - 1)
            await until_failed(olap, 1)
    assert [failure[:3] for failure in await failures(olap)] == [(0, victim.id.epoch, victim.id.seq)]
    (letter,) = await dead_letters_of(kafka, 1)
    assert dict(letter.headers)["seq"] == str(victim.id.seq).encode()
    assert [each.error for each in await replay(olap)] == [""]
    await olap.require_each_event_once()


async def dead_letters_of(kafka: Kafka, count: int) -> list[Any]:
    """All that the topic of dead letters holds."""
    consumer = AIOKafkaConsumer(
        TOPIC_DEAD_LETTERS, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_given_kafka_switched_on_and_off_again_when_exported_then_each_event_is_one_row(
    olap: Olap, kafka: Kafka
) -> None:
    with_kafka = olap
    for number in range(5):
        with_kafka.kafka = kafka if number % 2 else None
        await olap.append(repeated(olap.log, 150))
        async with with_kafka.exporting():
            await olap.until_in_clickhouse()
            await olap.append(repeated(olap.log, 150))
            await olap.until_in_clickhouse()
            await olap.append(repeated(olap.log, 150))
            # Switched while events are on their way.
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await olap.until_counted()
    await olap.require_each_event_once()
    await olap.require_days_counted()


async def test_given_a_clickhouse_that_is_new_when_exported_then_it_gets_every_event(
    olap: Olap, clickhouse_server: Server
) -> None:
    async with olap.exporting():
        await olap.until_in_clickhouse()
    async with olap_of(clickhouse_server, olap.database_url, olap.connection) as other:
        other.log.extend(olap.log)
        async with other.exporting():
            await other.until_in_clickhouse()
            await other.until_counted()
        await other.require_each_event_once()
        await other.require_days_counted()


async def test_given_the_clickhouse_of_another_installation_when_exported_then_nothing_is_inserted(
    olap: Olap,
) -> None:
    await olap.clickhouse.execute("INSERT INTO installation (id) VALUES ('another')", timeout_s=10)
    async with olap.exporting() as (sink,):

        async def refused() -> bool:
            return "do not belong together" in sink.status.detail

        await until(refused, "the sink to refuse")
    assert await olap.value("SELECT count() FROM game_events") == 0


async def test_given_a_clickhouse_without_tables_when_exported_then_it_is_waited_for(
    olap: Olap,
) -> None:
    await olap.clickhouse.execute("DROP TABLE schema_migrations", timeout_s=10)
    async with olap.exporting() as (sink,):

        async def refused() -> bool:
            return "croupier migrate" in sink.status.detail

        await until(refused, "the sink to refuse")
