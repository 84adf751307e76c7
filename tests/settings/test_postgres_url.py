"""DATABASE_URL: what asyncpg could not read is refused before, in words that hold nothing of it."""

import pytest

from croupier.postgres_url import why_unusable
from croupier.settings import Settings


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://croupier:p@127.0.0.1:5432/croupier",
        "postgres://host",
        "postgresql://u:a@b:c@host/d",
        "postgresql://u:p@[::1]:5432,second:5433/d?sslmode=verify-full",
        "postgresql://croupier@/d?host=%2Frun%2Fpostgres&port=5432",
        "postgresql:///d?host=/a@b&user=u&password=",
    ],
)
def test_given_a_url_that_asyncpg_reads_when_looked_at_then_it_may_be_used(url: str) -> None:
    assert why_unusable(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush/x@host/d",
        "postgresql://u:hush#x@host/d",
        "postgresql://u:hush?x@host/d",
        "postgresql://u:hush",
        "postgresql://u:7/hush@host/d",
        "postgresql://u:7#hush@host/d",
        "postgresql://u:[hush@host/d",
        "postgresql://u:[hush]@host/d",
        "postgresql://u:hush\u2100@host/d",
        "postgresql://u:p@host:hush/d",
        "postgresql://u:p@host:0/d",
        "postgresql://u:p@host:65536/d",
        "postgresql://u:p@host/d?hush",
        "mysql://u:hush@host/d",
        "hush",
    ],
)
def test_given_a_url_that_cannot_be_read_when_settings_are_then_refused_without_any_of_it(url: str) -> None:
    _, problems = Settings.read({"DATABASE_URL": url})
    (problem,) = problems
    assert problem.startswith("DATABASE_URL must ")
    assert "hush" not in problem
