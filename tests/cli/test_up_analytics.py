"""`croupier up` with its analytics."""

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from croupier_cli.data_directory import Servers
from croupier_schemas.messages import TOPIC_ACTIONS
from tests.cli.support import DEADLINE_S, Up, ask, croupier, environment, running_up
from tests.embedded.support import wait_until


def test_given_the_analytics_when_up_then_a_pull_reaches_both_sinks_and_the_stop_leaves_nothing_behind(
    directory: Path,
) -> None:
    with running_up(directory / "data", KAFKA_ENABLED="true", CLICKHOUSE_ENABLED="true") as up:
        event_id = up.pull()["receipt"]["event_id"]
        message = asyncio.run(_message_of(up.ready["kafka"], event_id))
        assert (message["event_type"], message["player_id"]) == ("gacha.pulled", up.ready["player"])
        assert up.ready["clickhouse_url"].startswith("http://croupier@127.0.0.1:")
        servers = json.loads((directory / "data" / "servers.json").read_text())
        assert servers.keys() == set(Servers.__struct_fields__)
        admin = croupier(
            "token", "--user", "1", "--role", "admin", env=environment(CROUPIER_DATA_DIR=up.ready["data_dir"])
        ).stdout.strip()

        def health() -> dict[str, Any]:
            return ask(up.ready["url"] + "/api/kafka/health", admin)

        wait_until(lambda: health()["lag_events"] == 0 and health()["reachable"], DEADLINE_S)
        assert health()["bootstrap_servers"] == [up.ready["kafka"]]
        wait_until(lambda: 'sync_lag_events{sink="clickhouse"} 0.0' in _metrics(up), DEADLINE_S)
        up.stop()
        assert "next start" not in up.said()
    assert not (directory / "data" / "servers.json").exists()


def test_given_a_broker_that_ends_when_up_then_that_is_said_and_players_play_on(directory: Path) -> None:
    with running_up(directory / "data", KAFKA_ENABLED="true") as up:
        up.pull()
        wait_until(
            lambda: any("kafka" in line and "following" in line for line in up.said().splitlines()),
            DEADLINE_S,
        )
        up.child("tansu broker").kill()
        up.until_said("Kafka has ended unexpectedly")
        second = up.pull()["receipt"]["event_id"]
        up.stop()
        assert "the next start carries the rest of the log" in up.said()
    with running_up(directory / "data", KAFKA_ENABLED="true") as up:
        assert asyncio.run(_message_of(up.ready["kafka"], second))["event_type"] == "gacha.pulled"
        up.stop()


def test_given_analytics_asked_for_that_are_not_installed_when_up_then_refused_in_one_line(
    directory: Path,
) -> None:
    env = environment(
        CROUPIER_DATA_DIR=str(directory), KAFKA_ENABLED="true", CROUPIER_KAFKA_BINARY="/nonexistent"
    )
    croupier("up", env=env).require_refusal("CROUPIER_KAFKA_BINARY=/nonexistent is not a program")


def test_given_nowhere_to_export_to_when_exporting_then_refused_in_one_line() -> None:
    env = environment(DATABASE_URL="postgresql://croupier@127.0.0.1:1/croupier")
    croupier("export", env=env).require_refusal("KAFKA_BOOTSTRAP_SERVERS or CLICKHOUSE_URL")
    croupier("export", env=env | {"KAFKA_ENABLED": "true"}).require_refusal("KAFKA_BOOTSTRAP_SERVERS")


def test_given_a_password_among_the_brokers_when_exporting_then_refused_without_it() -> None:
    env = environment(
        DATABASE_URL="postgresql://croupier@127.0.0.1:1/croupier",
        KAFKA_BOOTSTRAP_SERVERS="user:s3cret@host:9092",
    )
    refused = croupier("export", env=env)
    refused.require_refusal("KAFKA_BOOTSTRAP_SERVERS", "host:port")
    assert "s3cret" not in refused.stderr


def _metrics(up: Up) -> str:
    with urllib.request.urlopen(up.ready["metrics"]) as reply:
        text: str = reply.read().decode()
        return text


async def _message_of(bootstrap_servers: str, event_id: str) -> dict[str, Any]:
    """The message of this event in the topic of what players do."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(TOPIC_ACTIONS, number) for number in range(4)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        async with asyncio.timeout(DEADLINE_S):
            async for record in consumer:
                message: dict[str, Any] = json.loads(record.value)
                if message["event_id"] == event_id:
                    return message
    finally:
        await consumer.stop()
    raise AssertionError("a consumer goes on until it is stopped")
