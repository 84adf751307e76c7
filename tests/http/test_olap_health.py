"""How the sink ClickHouse is, as the API tells it."""

from pathlib import Path

from croupier_cli.embedded.clickhouse import ClickHouse as Server
from croupier_schemas.events import Event
from croupier_sync.export.cursors import BEGINNING, Place, add_cursors, move_cursor
from tests.http.console import admin, open_house
from tests.http.support import assert_is_error, running, settings_for, token

PATH = "/api/olap/health"


async def test_given_clickhouse_when_asked_then_its_health_is_told_to_administrators_only(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    with Server.start(tmp_path) as server:
        url = f"{server.url.rpartition('/')[0]}/default"
        settings = settings_for(redis_url, database_url=database_url, clickhouse_url=url)
        async with open_house(redis_url, database_url) as house, running(settings) as client:
            await house.settled()
            log: list[Event] = await house.casino.log()
            found = (await client.get(PATH, bearer=admin())).json
            assert (found["enabled"], found["database"], found["reachable"]) == (True, "default", True)
            assert {"game_events", "purchases", "purchases_daily_agg"} <= set(found["tables"])
            assert (found["lag_events"], found["cursor"], found["state"]) == (len(log), None, "silent")

            await house.postgres.execute(
                "UPDATE sinks SET state = 'following', seen_at = clock_timestamp() WHERE sink = 'clickhouse'"
            )
            await add_cursors(house.postgres, "clickhouse")
            await move_cursor(house.postgres, "clickhouse", 0, BEGINNING, Place.of(log[-1].id))
            server.kill()
            found = (await client.get(PATH, bearer=admin())).json
            assert (found["reachable"], found["lag_events"], found["state"]) == (False, 0, "following")
            assert_is_error(await client.get(PATH, bearer=token(7)), 403, "FORBIDDEN")

            off = await house.ask(PATH)
            assert (off["enabled"], off["reachable"], off["state"]) == (False, False, "off")
