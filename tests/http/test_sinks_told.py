"""What the API and the metrics tell of sinks: of a silent daemon nothing is believed, and dead letters are counted."""

import asyncpg

from tests.http.console import admin, open_house
from tests.http.support import Client, running, settings_for

URL = "http://127.0.0.1:1/croupier"


async def letters(client: Client) -> dict[str, str]:
    """The values of the gauge, by sink."""
    text = (await client.get("/metrics")).body.decode()
    return {
        line.split('"')[1]: line.split()[-1]
        for line in text.splitlines()
        if line.startswith("sync_dead_letters{")
    }


async def test_given_a_daemon_that_is_silent_when_asked_then_both_sinks_are_said_to_be(
    redis_url: str, database_url: str
) -> None:
    settings = settings_for(
        redis_url, database_url=database_url, clickhouse_url=URL, kafka_bootstrap_servers="127.0.0.1:1"
    )
    async with open_house(redis_url, database_url) as house, running(settings) as client:
        for age, expected in (("0 s", ("following", True)), ("1 minute", ("silent", False))):
            await house.postgres.execute(
                "UPDATE sinks SET state = 'following', seen_at = clock_timestamp() - $1::text::interval", age
            )
            kafka = (await client.get("/api/kafka/health", bearer=admin())).json
            olap = (await client.get("/api/olap/health", bearer=admin())).json
            assert (kafka["state"], kafka["reachable"]) == expected
            assert olap["state"] == expected[0]


async def test_given_dead_letters_when_metrics_are_read_then_each_sink_that_is_on_has_its_number(
    redis_url: str, database_url: str
) -> None:
    settings = settings_for(redis_url, database_url=database_url, clickhouse_url=URL)
    async with open_house(redis_url, database_url) as house, running(settings) as client:
        assert await letters(client) == {"postgres": "0.0", "clickhouse": "0.0"}
        await put_aside(house.postgres)
        assert await letters(client) == {"postgres": "1.0", "clickhouse": "2.0"}


async def put_aside(connection: asyncpg.Connection) -> None:
    for seq in (1, 2):
        await connection.execute(
            "INSERT INTO export_failures (sink, partition, epoch, seq, key, value, headers, error)"
            " VALUES ('clickhouse', 0, 1, $1, '', '', '{}', 'broken')",
            seq,
        )
    await connection.execute(
        "INSERT INTO projection_failures (partition, epoch, seq, projection, error) VALUES (0, 1, 1, 'x', 'y')"
    )
