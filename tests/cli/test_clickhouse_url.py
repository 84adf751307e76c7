"""`CLICKHOUSE_URL` that is none: every command refuses it at once, in one line, and without the password."""

import pytest

from croupier.settings import Settings, SettingsError
from tests.cli.support import croupier, environment

SECRET = "s3cret"


@pytest.mark.parametrize("name", ["export", "serve", "migrate", "report"])
def test_given_a_clickhouse_url_that_is_none_when_started_then_refused_in_one_line(name: str) -> None:
    env = environment(
        DATABASE_URL="postgresql://croupier@127.0.0.1:1/croupier",
        REDIS_URL="redis://127.0.0.1:1",
        CLICKHOUSE_URL=f"clickhouse:{SECRET}@host:9000",
        CLICKHOUSE_ENABLED="true",
    )
    refused = croupier(name, env=env)
    refused.require_refusal("CLICKHOUSE_URL", "http://user:password@host:8123/database")
    assert SECRET not in refused.stderr


def test_given_clickhouse_urls_when_read_then_those_that_can_be_used_are_taken() -> None:
    for url in ("http://u:p@host:8123/croupier", "https://host"):
        assert Settings.from_environment({"CLICKHOUSE_URL": url}).clickhouse_on
    for url in ("http://host:port/x", "tcp://host:9000", "http://host/a/b", "http://"):
        with pytest.raises(SettingsError, match="CLICKHOUSE_URL"):
            Settings.from_environment({"CLICKHOUSE_URL": url})
