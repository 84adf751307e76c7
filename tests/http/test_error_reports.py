"""Reports to Sentry: nothing where it is off, and where it is on no more than what is harmless."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import asyncpg
import pytest

from croupier.settings import Settings, SettingsError
from croupier_http import error_reports
from croupier_sync.migrations import migrate
from tests.cli.support import environment, started
from tests.http.ingest import KEY, Ingest, ingesting
from tests.http.served import serving
from tests.http.support import settings_for, until, until_ready

FAILING = """
import logging, sys
from croupier.errors import CroupierError
from croupier.settings import Settings
from croupier_http import error_reports, logs
from croupier_http.failures import FailureLog

settings = Settings(sentry_dsn=sys.argv[1], jwt_secret_key="SECRET-jwt")
logs.configure("info")
error_reports.start(settings)

def answer(body):
    raise RuntimeError(f"cannot take {body}: Authorization: Bearer SECRET-token")

logs.REQUEST_ID.set("find-me")
try:
    answer("SECRET-body")
except RuntimeError as cause:
    error = CroupierError("INTERNAL")
    error.__cause__ = cause
    FailureLog().write(error, "pull_v1", bytes(16))
    logging.getLogger("asyncio").error("never retrieved: %r", cause, exc_info=cause)
logging.getLogger("asyncio").warning("SECRET-warning")
for _ in range(100):
    logging.getLogger("asyncio.again").error("SECRET-again")
answer("SECRET-last")
"""

QUIET = """
import logging, sys
from croupier.settings import Settings
from croupier_http import error_reports, logs
logs.configure("info")
before = list(logging.getLogger().handlers)
error_reports.start(Settings())
assert logging.getLogger().handlers == before
assert sys.excepthook is sys.__excepthook__
assert not [name for name in sys.modules if name.startswith("sentry_sdk")]
"""


@pytest.fixture
def ingest() -> Iterator[Ingest]:
    with ingesting() as endpoint:
        yield endpoint


def test_given_no_dsn_when_started_then_nothing_is_imported_and_no_handler_added() -> None:
    subprocess.run([sys.executable, "-c", QUIET], check=True)


def test_given_no_sdk_when_a_dsn_is_set_then_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"croupier\[sentry\]"):
        error_reports.check(Settings(sentry_dsn=f"https://{KEY}@sentry.example/1"))


def test_given_an_event_with_everything_when_scrubbed_then_only_what_is_harmless_is_left() -> None:
    frame = {
        "filename": "a.py",
        "function": "f",
        "lineno": 3,
        "vars": {"body": "SECRET"},
        "context_line": "SECRET",
    }
    event = {
        "level": "error",
        "message": "request failed",
        "exception": {
            "values": [{"type": "E", "value": "SECRET", "stacktrace": {"frames": [frame]}}, {"type": "F"}]
        },
        **{
            each: {"x": "SECRET"}
            for each in ("request", "user", "breadcrumbs", "extra", "contexts", "modules")
        },
        **{each: {"x": "SECRET"} for each in ("logentry", "threads", "debug_meta")},
    }
    left = error_reports.scrubbed(event)
    assert "SECRET" not in str(left)
    assert [each["type"] for each in left["exception"]["values"]] == ["E", "F"]
    assert left["exception"]["values"][0]["stacktrace"]["frames"][0]["lineno"] == 3


@pytest.mark.parametrize("dsn", ["nonsense", "https://sentry.example/1", "ftp://key@sentry.example/1"])
def test_given_what_is_no_dsn_when_checked_then_refused_without_showing_it(dsn: str) -> None:
    with pytest.raises(SettingsError, match="SENTRY_DSN is no DSN") as caught:
        error_reports.check(Settings(sentry_dsn=dsn))
    assert dsn not in str(caught.value)


def test_given_failures_with_secrets_in_them_when_reported_then_types_lines_and_ids_arrive_and_nothing_else(
    ingest: Ingest,
) -> None:
    failed = subprocess.run([sys.executable, "-c", FAILING, ingest.dsn], capture_output=True, text=True)

    assert failed.returncode == 1 and "SECRET-last" in failed.stderr  # the log on this machine says all
    request, task, *again, last = ingest.events
    assert request["message"] == "request failed"
    assert request["tags"] == {
        "operation": "pull_v1",
        "code": "INTERNAL",
        "op_id": "00" * 16,
        "request_id": "find-me",
    }
    assert (task["message"], task["logger"]) == ("asyncio", "asyncio")
    for event in (request, task, last):
        (exception,) = event["exception"]["values"]
        assert exception["type"] == "RuntimeError"
        assert exception["stacktrace"]["frames"][-1]["function"] == "answer"
        assert event["release"].startswith("croupier@")
    assert 5 <= len(again) <= 50, "no more than five a second"
    for text in ("SECRET", "Bearer", "cannot take"):
        assert text not in "".join(ingest.envelopes)


async def test_given_a_worker_that_dies_when_serving_then_the_server_reports_it(
    redis_url: str, ingest: Ingest
) -> None:
    async with serving(settings_for(redis_url), SENTRY_DSN=ingest.dsn) as (_, client):
        await until_ready(client)
        os.kill((await client.get("/health")).json["worker_pid"], signal.SIGKILL)

        async def reported() -> bool:
            return any(event["message"].startswith("worker died") for event in ingest.events)

        await until(reported, "the report")
    (event,) = ingest.events
    assert event["tags"] == {"exit_code": "-9"}


async def test_given_a_share_of_all_requests_when_answered_then_operation_status_and_time_are_reported_and_nothing_else(
    redis_url: str, ingest: Ingest
) -> None:
    settings = settings_for(redis_url)
    async with serving(settings, SENTRY_DSN=ingest.dsn, SENTRY_TRACES_SAMPLE_RATE="1") as (_, client):
        await until_ready(client)
        headers = {"Authorization": "Bearer SECRET-token"}
        assert (await client.get("/api/fairness", headers=headers)).status == 401

        async def reported() -> bool:
            return any(each["transaction"].startswith("fairness") for each in ingest.transactions)

        await until(reported, "the transaction")
    (refused,) = [each for each in ingest.transactions if each["transaction"].startswith("fairness")]
    assert (
        refused["tags"]["status"] == "401" and refused["contexts"]["trace"]["status"] == "failed_precondition"
    )
    assert 0 <= refused["timestamp"] - refused["start_timestamp"] < 60
    assert "SECRET" not in "".join(ingest.envelopes) and not ingest.events


async def test_given_a_daemon_that_fails_when_running_then_it_reports_why(
    redis_url: str, database_url: str, ingest: Ingest
) -> None:
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    await connection.execute("ALTER TABLE partitions RENAME TO gone")
    await connection.close()
    env = environment(REDIS_URL=redis_url, DATABASE_URL=database_url, SENTRY_DSN=ingest.dsn)

    async def reported() -> bool:
        return any(event["message"] == "sync failed" for event in ingest.events)

    with started("sync", env):
        await until(reported, "the report")
    (event, *_) = [each for each in ingest.events if each["message"] == "sync failed"]
    assert event["tags"] == {"partition": "0"}
    assert event["exception"]["values"][-1]["type"] == "UndefinedTableError"
    assert database_url not in "".join(ingest.envelopes)
