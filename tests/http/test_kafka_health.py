"""How the sink Kafka is, as the API and the metrics tell it: from what its daemon writes into Postgres."""

import asyncpg
import pytest

from croupier.sinks import sink_progress
from croupier_schemas.events import Event
from croupier_sync.export.cursors import BEGINNING, Place, add_cursors, move_cursor
from croupier_sync.migrations import migrate
from tests.http.console import admin, open_house
from tests.http.support import assert_is_error, running, settings_for, token

PATH = "/api/kafka/health"
SERVERS = "127.0.0.1:1,127.0.0.1:2"


async def _insert(connection: asyncpg.Connection, *events: tuple[int, int, int]) -> None:
    """Events at these places of partition 0, as old as said, in seconds."""
    for epoch, seq, age_s in events:
        await connection.execute(
            "INSERT INTO events (partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key,"
            " request_hash, economy, rules, terms, result, changes) VALUES (0, $1, $2,"
            " (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $3::bigint * 1000,"
            " false, 'x', 1, '', '', '', '', '', 1, '', '', '')",
            epoch, seq, age_s,
        )  # fmt: skip
    await connection.execute(
        "UPDATE partitions SET (epoch, seq, op_id, ts_ms, taken_epoch) = ($1, $2, '', 0, $1)", *events[-1][:2]
    )


async def test_given_a_log_of_several_epochs_when_asked_then_the_lag_is_what_the_sink_has_not(
    database_url: str,
) -> None:
    async with (
        asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool,
        pool.acquire() as connection,
    ):
        await migrate(connection)
        (nothing,) = await sink_progress(pool, ["kafka"])
        assert (nothing.state, nothing.cursor, nothing.lag_events, nothing.lag_seconds) == (
            "starting", None, 0, 0.0,
        )  # fmt: skip
        await _insert(connection, (1, 0, 90), (1, 1, 80), (3, 0, 70), (3, 1, 60), (3, 2, 50), (4, 0, 40))
        await add_cursors(connection, "kafka")
        place = BEGINNING
        for after, events, seconds in (
            (Place(1, 0), 5, 80), (Place(1, 1), 4, 70), (Place(3, 1), 2, 50), (Place(4, 0), 0, 0),
        ):  # fmt: skip
            await move_cursor(connection, "kafka", 0, place, after)
            (found,) = await sink_progress(pool, ["kafka"])
            assert (found.cursor, found.lag_events) == (f"0-{after.epoch}-{after.seq}", events)
            assert found.lag_seconds == pytest.approx(seconds, abs=30)
            place = after


async def test_given_kafka_when_asked_then_its_health_and_its_lag_are_told_to_administrators_only(
    redis_url: str, database_url: str
) -> None:
    settings = settings_for(redis_url, database_url=database_url, kafka_bootstrap_servers=SERVERS)
    async with open_house(redis_url, database_url) as house, running(settings) as client:
        await house.settled()
        log: list[Event] = await house.casino.log()
        found = (await client.get(PATH, bearer=admin())).json
        assert (found["enabled"], found["reachable"]) == (True, False)
        assert found["bootstrap_servers"] == SERVERS.split(",")
        assert found["topics"] == ["cc_user_actions", "cc_rewards", "buy_package", "cc_dead_letters"]
        assert (found["lag_events"], found["cursor"], found["state"]) == (len(log), None, "starting")
        metrics = (await client.get("/metrics")).body.decode()
        assert f'sync_lag_events{{sink="kafka"}} {len(log)}.0' in metrics
        assert 'sync_lag_seconds{sink="kafka"}' in metrics
        assert 'sink="clickhouse"' not in metrics

        await house.postgres.execute(
            "UPDATE sinks SET state = 'following', seen_at = clock_timestamp() WHERE sink = 'kafka'"
        )
        await add_cursors(house.postgres, "kafka")
        await move_cursor(house.postgres, "kafka", 0, BEGINNING, Place.of(log[-1].id))
        found = (await client.get(PATH, bearer=admin())).json
        assert (found["reachable"], found["lag_events"], found["cursor"]) == (True, 0, str(log[-1].id))
        await house.postgres.execute("UPDATE sinks SET seen_at = seen_at - interval '1 minute'")
        assert not (await client.get(PATH, bearer=admin())).json["reachable"], "its daemon is silent"

        assert_is_error(await client.get(PATH, bearer=token(7)), 403, "FORBIDDEN")

        off = await house.ask(PATH)
        assert (off["enabled"], off["state"], off["bootstrap_servers"], off["lag_events"]) == (
            False, "off", [], 0,
        )  # fmt: skip
        assert 'sink="kafka"' not in (await house.client.get("/metrics")).body.decode()
