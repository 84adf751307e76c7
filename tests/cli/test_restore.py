"""`croupier restore` makes Redis anew from Postgres, and `croupier verify` says whether all of it is sound."""

import pytest

from croupier.transport import Transport
from croupier_schemas import keys
from croupier_schemas.records import PLAYER
from tests.cli.casino import Installation
from tests.sync.conftest import casino, connection, transport  # noqa: F401 - fixtures
from tests.sync.support import PARTITION, Casino
from tests.sync.verified import play_everything


@pytest.fixture
async def played(casino: Casino) -> Installation:  # noqa: F811
    await play_everything(casino)
    return Installation(casino)


async def test_given_an_empty_redis_when_restored_then_it_holds_what_it_held_and_players_play_on(
    played: Installation,
) -> None:
    # Given
    before = await played.casino.durable_state()
    await played.casino.administer("FLUSHALL")

    # When
    restored = (await played.asks("restore"))["partitions"][0]

    # Then
    assert restored["redis"] == "equal"
    assert await played.casino.durable_state() == before
    assert restored["keys"] == len({key for key, _ in before})
    assert restored["bytes"] == sum(map(len, before.values()))
    async with played.casino.daemon():
        await played.casino.until_open()
        await played.casino.pull(1)
        await played.casino.until_caught_up()
    assert (await played.asks("verify"))["sound"]


async def test_given_a_restored_redis_when_restored_again_then_the_digest_is_the_same(
    played: Installation,
) -> None:
    await played.casino.administer("FLUSHALL")

    first = await played.asks("restore")
    second = await played.asks("restore")

    assert first["partitions"][0]["digest"] == second["partitions"][0]["digest"]
    assert second["partitions"][0]["redis"] == "equal"


async def test_given_a_redis_that_holds_something_else_when_restored_then_it_holds_what_postgres_does(
    played: Installation,
) -> None:
    before = await played.casino.durable_state()
    await played.casino.transport.call(
        "SETRANGE", keys.player(PARTITION, 1), PLAYER.durable_size - 1, b"\x07"
    )
    await played.casino.transport.call("SET", keys.player(PARTITION, 99), PLAYER.initial)

    outcome = await played.runs("restore")

    assert outcome.exit_code == 0
    assert "Redis holds the same" in outcome.stdout
    assert await played.casino.durable_state() == before


async def test_given_events_that_postgres_lacks_when_restored_then_it_is_refused(
    played: Installation,
) -> None:
    await played.casino.pull(1)

    await played.refused("restore", said=("Redis has event", "croupier sync"))


async def test_given_events_that_postgres_will_never_take_when_restored_then_the_daemon_is_not_advised(
    played: Installation,
) -> None:
    await played.casino.pull(1)
    await played.casino.connection.execute("UPDATE partitions SET taken_epoch = taken_epoch + 1000")

    await played.refused("restore", said=("Redis has event", "gone on to epoch 1001", "empty that"))


async def test_given_a_daemon_that_follows_when_restored_then_it_is_refused(played: Installation) -> None:
    async with played.casino.daemon():
        await played.casino.until_open()
        await played.casino.until_caught_up()

        outcome = await played.runs("restore")

    outcome.require_refusal("a sync daemon follows partition 0")


async def test_given_a_redis_of_another_installation_when_restored_then_it_is_refused(
    played: Installation,
) -> None:
    await played.casino.transport.call("HSET", keys.head(PARTITION), "installation", "another")

    await played.refused("restore", said=("installation another",))


async def test_given_a_postgres_without_events_when_restored_then_it_is_refused(casino: Casino) -> None:  # noqa: F811
    await Installation(casino).refused("restore", said=("there is nothing to restore",))


# verify


async def test_given_a_sound_casino_when_verified_then_it_says_so(played: Installation) -> None:
    outcome = await played.runs("verify")

    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("sound: ")
    assert "outcomes computed again" in outcome.stderr
    assert "Redis holds the same" in outcome.stderr


async def test_given_events_without_digests_when_verified_then_it_says_so(played: Installation) -> None:
    await played.casino.connection.execute("UPDATE events SET digest = NULL")

    outcome = await played.runs("verify")

    assert outcome.exit_code == 0
    assert "events have no digest" in outcome.stderr


async def test_given_no_redis_url_when_verified_then_postgres_alone_is(played: Installation) -> None:
    said = await played.asks("verify", REDIS_URL="", CROUPIER_DATA_DIR="/nonexistent")

    assert said["sound"]
    assert said["redis"] is None


async def test_given_a_changed_event_when_verified_then_a_line_names_it_and_the_exit_code_is_1(
    played: Installation,
) -> None:
    seq = await played.casino.connection.fetchval(
        "UPDATE events SET ts_ms = ts_ms # 1 WHERE type = 'fairness.rotated' AND uid = 2 RETURNING seq"
    )

    outcome = await played.runs("verify")

    assert outcome.exit_code == 1
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith(
        f"digests: event 0-1-{seq}: it was changed since it was written: column ts_ms:"
    )
    assert lines[-1].startswith("not sound: 1 problems")
    said = await played.asks("verify", exit_code=1)
    assert said["sound"] is False
    assert [(each["check"], each["event_id"]) for each in said["problems"]] == [("digests", f"0-1-{seq}")]


async def test_given_no_postgres_when_verified_then_it_cannot_run(
    transport: Transport,  # noqa: F811
    casino: Casino,  # noqa: F811
) -> None:
    outcome = await Installation(casino).runs("verify", DATABASE_URL="postgresql://127.0.0.1:1/none")

    assert outcome.exit_code == 2
