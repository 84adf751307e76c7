"""`croupier deadletters`: looking at what a projection could not take, and replaying it."""

import json

import asyncpg
import pytest

from croupier_sync.migrations import migrate
from tests.cli.support import Environment, croupier, environment

_EVENT = """
INSERT INTO events (partition, epoch, seq, ts_ms, created, type, uid, tier, op_id, idempotency_key, request_hash,
  economy, rules, terms, result, changes)
VALUES (0, 1, $1, 0, false, $2, 1, '', '', '', '', '', 1, '\\xc0', '', '\\x90')
"""
_FAILURE = (
    "INSERT INTO projection_failures (partition, epoch, seq, projection, error) VALUES (0, 1, $1, $2, 'x')"
)


@pytest.fixture
async def env(database_url: str) -> Environment:
    """A Postgres with two dead letters: of the first nothing is missing any more, the second still cannot be taken."""
    connection = await asyncpg.connect(database_url)
    await migrate(connection)
    for seq, type_ in ((7, "epoch.opened"), (8, "gacha.pulled")):
        await connection.execute(_EVENT, seq, type_)
        await connection.execute(_FAILURE, seq, type_)
    await connection.close()
    return environment(DATABASE_URL=database_url)


def listed(env: Environment) -> list[str]:
    outcome = croupier("deadletters", "list", "--json", env=env)
    assert outcome.exit_code == 0, outcome
    return [letter["event"] for letter in json.loads(outcome.stdout)["dead_letters"]]


def test_given_dead_letters_when_replayed_then_what_fails_again_stays_and_is_named(env: Environment) -> None:
    assert listed(env) == ["0-1-7", "0-1-8"]
    assert "0-1-8  gacha.pulled  x" in croupier("deadletters", "list", env=env).stdout

    one = croupier("deadletters", "replay", "0-1-7", env=env)
    assert (one.exit_code, one.stdout) == (0, "1 replayed, 0 failed again\n")
    rest = croupier("deadletters", "replay", "--all", "--json", env=env)
    assert rest.exit_code == 1
    assert [letter["event"] for letter in json.loads(rest.stdout)["failed"]] == ["0-1-8"]
    assert listed(env) == ["0-1-8"]


@pytest.mark.parametrize("words", [(), ("0-1-7", "--all"), ("0-1-9",), ("seven",)])
def test_given_nothing_or_something_unknown_to_replay_when_run_then_refused(
    env: Environment, words: tuple[str, ...]
) -> None:
    croupier("deadletters", "replay", *words, env=env).require_refusal()
    assert listed(env) == ["0-1-7", "0-1-8"]


async def test_given_a_dead_letter_of_clickhouse_when_replayed_then_it_stays_where_clickhouse_cannot_be_asked(
    env: Environment, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO export_failures (sink, partition, epoch, seq, error) VALUES ('clickhouse', 0, 1, 8, 'y')"
    )
    await connection.execute(
        "INSERT INTO export_failures (sink, topic, topic_partition, topic_offset, value, error)"
        " VALUES ('clickhouse', 'cc_rewards', 2, 17, 'garbage', 'z')"
    )
    await connection.close()
    shown = croupier("deadletters", "list", env=env).stdout
    assert "0-1-8  clickhouse  y" in shown
    assert "cc_rewards/2/17  clickhouse  z" in shown
    croupier("deadletters", "replay", "cc_rewards/2/17", env=env).require_refusal("CLICKHOUSE_URL")
    away = {**env, "CLICKHOUSE_URL": "http://127.0.0.1:1/croupier"}
    assert "garbage" not in croupier("deadletters", "replay", "0-1-8", env=away).stderr
    assert "cc_rewards/2/17  clickhouse  z" in croupier("deadletters", "list", env=env).stdout
