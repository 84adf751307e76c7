"""`croupier deadletters` on what ClickHouse could not take: as an operator runs it, while the export goes on."""

import asyncio
import json

from aiokafka import AIOKafkaProducer

from croupier_cli.embedded import Kafka
from croupier_schemas.messages import TOPIC_REWARDS
from tests.cli.support import Outcome, croupier, environment
from tests.export.olap import Olap, until_read_in_kafka
from tests.export.support import repeated
from tests.sync.support import until


async def deadletters(olap: Olap, *words: str) -> Outcome:
    """Run the command beside whatever runs here."""
    env = environment(DATABASE_URL=olap.database_url, CLICKHOUSE_URL=olap.url, CLICKHOUSE_ENABLED="true")
    return await asyncio.to_thread(croupier, "deadletters", *words, env=env)


async def listed(olap: Olap) -> list[str]:
    """The events and messages that the command lists."""
    outcome = await deadletters(olap, "list", "--json")
    letters = json.loads(outcome.stdout)["dead_letters"]
    assert {letter["sink"] for letter in letters} <= {"clickhouse"}
    return [letter["event"] or letter["message"] for letter in letters]


async def until_failed(olap: Olap, count: int) -> None:
    async def failed() -> bool:
        found: int = await olap.connection.fetchval("SELECT count(*) FROM export_failures")
        return found == count

    await until(failed, "the dead letters")


async def test_given_events_that_clickhouse_refuses_when_the_command_replays_them_then_they_follow_after_the_fix(
    olap: Olap,
) -> None:
    poison = [str(event.id) for event in olap.log[20:40:9]]
    refused = ", ".join(name.rpartition("-")[2] for name in poison)
    await olap.clickhouse.execute(
        f"ALTER TABLE game_events ADD CONSTRAINT fit CHECK seq NOT IN ({refused})", timeout_s=10
    )
    async with olap.exporting():
        await until_failed(olap, len(poison))
        assert await listed(olap) == poison
        in_vain = await deadletters(olap, "replay", "--all")
        assert (in_vain.exit_code, in_vain.stdout) == (1, f"0 replayed, {len(poison)} failed again\n")
        assert await listed(olap) == poison

        await olap.clickhouse.execute("ALTER TABLE game_events DROP CONSTRAINT fit", timeout_s=10)
        one = await deadletters(olap, "replay", poison[1])
        assert (one.exit_code, one.stdout) == (0, "1 replayed, 0 failed again\n")
        assert await listed(olap) == [poison[0], *poison[2:]]
        (await deadletters(olap, "replay", poison[1])).require_refusal(poison[1])
        rest = await deadletters(olap, "replay", "--all", "--json")
        assert [letter["event"] for letter in json.loads(rest.stdout)["replayed"]] == [poison[0], *poison[2:]]
        await olap.append(repeated(olap.log, 50))
        await olap.until_in_clickhouse()
        await olap.until_counted()
    assert await listed(olap) == []
    await olap.require_each_event_once()
    await olap.require_days_counted()


async def test_given_a_message_that_is_none_when_the_command_replays_it_then_it_stays_under_its_name(
    olap: Olap, kafka: Kafka
) -> None:
    olap.kafka = kafka
    async with olap.exporting():
        await olap.until_in_clickhouse()
        await until_read_in_kafka(olap)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        await producer.start()
        stands = await producer.send_and_wait(TOPIC_REWARDS, b"\x82\xa1a\x01", key=b"7", partition=2)
        await producer.stop()
        await until_failed(olap, 1)
    name = f"{TOPIC_REWARDS}/2/{stands.offset}"
    assert await listed(olap) == [name]
    replayed = await deadletters(olap, "replay", name)
    assert (replayed.exit_code, replayed.stdout) == (1, "0 replayed, 1 failed again\n")
    assert await listed(olap) == [name]
    await olap.require_each_event_once()
