"""docs/analytics.md: its statements run, its replies have the form that is answered, its tables name what there is."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from croupier.analytics.watch import AGE_MAX_S, DAYS, INTERVAL_S
from croupier.query import Sources
from croupier_http.odds_gauge import ODDS_P_VALUE
from croupier_schemas.actions import DATA_BYTES_MAX, DATA_DEPTH_MAX
from croupier_schemas.analytics import DAYS_MAX, FunnelStage, OddsReply, RetentionReply, RtpReply

DOCUMENT = Path(__file__).parents[2].joinpath("docs", "analytics.md").read_text("utf-8")
STATEMENTS = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
REPLIES: dict[str, Any] = {
    "funnels/buy": list[FunnelStage],
    "odds": OddsReply,
    "rtp": RtpReply,
    "retention": RetentionReply,
}


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda text: text.split("\n")[0][3:40])
async def test_given_a_statement_of_the_document_when_run_then_it_has_rows(
    sources: Sources, statement: str
) -> None:
    # What was played lies in the past, and the document speaks of today.
    rows = await sources.olap.ask(statement.replace("today()", "toDate('2026-03-12')"))

    assert rows
    if "AS events" in statement:
        assert rows[0]["rows"] == rows[0]["events"] > 1_000


@pytest.mark.parametrize("path", REPLIES)
def test_given_an_example_of_a_reply_when_read_then_it_has_the_form_that_is_answered(path: str) -> None:
    _, _, after = DOCUMENT.partition(f"### `GET /api/analytics/{path}")
    example = re.search(r"```json\n(.*?)```", after, re.DOTALL)
    assert example is not None

    reply = msgspec.json.decode(example[1], type=REPLIES[path])

    assert msgspec.to_builtins(reply) == msgspec.json.decode(example[1])


async def test_given_the_tables_of_the_document_when_compared_then_they_name_what_there_is(
    sources: Sources,
) -> None:
    columns = await sources.olap.ask(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase() ORDER BY table, position"
    )
    tables = {row["table"] for row in columns} - {"installation", "schema_migrations"}

    _, _, section = DOCUMENT.partition("\n## ClickHouse\n")
    of_tables, _, rest = section.partition("The columns of `game_events`:")
    of_columns = rest.partition("Some questions of your own")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", of_tables, re.MULTILINE)) == tables
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", of_columns, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert named == {row["name"] for row in columns if row["table"] == "game_events"}


def test_given_the_bounds_of_the_document_then_they_are_those_of_the_code() -> None:
    text = " ".join(DOCUMENT.split())
    assert f"from 1 to {DAYS_MAX}" in text
    assert f"at most {DATA_BYTES_MAX:,} bytes as JSON, nested at most {DATA_DEPTH_MAX} deep" in text
    assert f"`{ODDS_P_VALUE}{{banner,test}}`" in text
    assert f"the last {DAYS} days" in text
    assert f"every {INTERVAL_S / 60:.0f} minutes" in text
    assert f"older than {AGE_MAX_S / 60:.0f} minutes" in text
