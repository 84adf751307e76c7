"""`croupier report` as operators run it, on a casino that was played in."""

import asyncio
from pathlib import Path

import asyncpg
import msgspec
import pytest

from croupier.clickhouse import ClickHouse
from croupier.transport import Transport
from croupier_cli.embedded.clickhouse import ClickHouse as ClickHouseServer
from croupier_cli.report.figures import Figures
from croupier_sync.migrations import migrate
from tests.analytics.filled import fill
from tests.analytics.test_report_page import require_self_contained
from tests.cli.support import Outcome, croupier, environment
from tests.sync.support import Casino


async def runs(*words: str, **variables: str) -> Outcome:
    """Run the command to its end."""
    return await asyncio.to_thread(croupier, "report", *words, env=environment(**variables))


async def test_given_a_casino_that_was_played_in_when_reported_then_the_page_has_its_figures(
    redis_url: str, database_url: str, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    url = f"{clickhouse_server.url.rpartition('/')[0]}/report"
    connection, transport, clickhouse = (
        await asyncpg.connect(database_url),
        Transport(redis_url),
        ClickHouse.of_url(url),
    )
    await transport.open()
    try:
        await migrate(connection)
        casino = Casino.of(redis_url, database_url, transport, connection)
        await casino.have_played()
        await fill(clickhouse, await casino.log(), [casino.economy])
        page = tmp_path / "page.html"
        servers = {
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "CLICKHOUSE_URL": url,
            "CLICKHOUSE_ENABLED": "true",
        }

        written = await runs("--out", str(page), "--days", "2", **servers)

        assert (written.exit_code, written.stdout) == (0, ""), written
        text = page.read_text("utf-8")
        require_self_contained(text)
        assert "<h3>standard, economy" in text
        refused = await runs("--out", str(page), **servers)
        refused.require_refusal("page.html exists", "--force")
        assert page.read_text("utf-8") == text

        printed = await runs("--json", "--days", "2", **servers)

        assert printed.exit_code == 0, printed
        figures = msgspec.json.decode(printed.stdout, type=Figures)
        assert sum(hour.pulls for hour in figures.hours) == 3
        assert [(item.banner, item.draws) for item in figures.odds.items] == [("standard", 3)]
        assert sum(cohort.players for cohort in figures.retention.items) == 3
        assert figures.sinks[0].sink == "postgres" and figures.sinks[0].events == 0
    finally:
        await transport.close()
        await clickhouse.close()
        await connection.close()


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (
            (),
            {"REDIS_URL": "redis://127.0.0.1:1", "DATABASE_URL": "postgresql://127.0.0.1:1/x"},
            "CLICKHOUSE_URL",
        ),
        ((), {}, "REDIS_URL and DATABASE_URL"),
        (("--days", "91"), {}, "91"),
    ],
)
async def test_given_what_is_missing_when_reported_then_one_line_says_so(
    words: tuple[str, ...], variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    outcome = await runs(
        "--out", str(tmp_path / "page.html"), *words, CROUPIER_DATA_DIR=str(tmp_path), **variables
    )

    outcome.require_refusal(said)
    assert list(tmp_path.iterdir()) == []
