"""Redis compared with Postgres where its log is not the same, and where much differs."""

import pytest

from croupier_schemas import keys
from croupier_schemas.records import PLAYER
from croupier_sync import rebuild
from croupier_sync.rebuild import redis_entries
from croupier_sync.server import Server
from croupier_sync.verification.findings import PROBLEMS_MAX, Findings
from croupier_sync.verification.live import compare
from tests.sync.support import PARTITION, Casino
from tests.sync.verified import verdict


async def test_given_a_redis_that_has_lost_its_last_event_when_verified_then_both_ends_are_named(
    casino: Casino,
) -> None:
    # Given
    await casino.have_played()
    kept, lost = [event.id for event in await casino.log()][-2:]
    await casino.administer("XDEL", await casino.stream(), lost.entry)
    await casino.transport.call("DEL", keys.player(PARTITION, 3))

    # When
    result = await verdict(casino)

    # Then
    assert (result.redis, result.sound) == ("differs", False)
    assert [str(problem) for problem in result.problems] == [
        f"redis: Redis ends at event {kept}, and Postgres has events up to {lost}"
    ]


async def test_given_a_redis_that_has_lost_everything_when_verified_then_it_differs(casino: Casino) -> None:
    await casino.have_played()
    last = (await casino.log())[-1].id
    await casino.administer("FLUSHALL")

    result = await verdict(casino)

    assert [problem.message for problem in result.problems] == [
        f"Redis has no event, and Postgres has events up to {last}"
    ]


async def test_given_another_event_at_the_end_of_redis_when_compared_then_it_differs(casino: Casino) -> None:
    await casino.have_played()
    last = (await casino.log())[-1].id
    await casino.connection.execute(
        "UPDATE partitions SET op_id = set_byte(op_id, 0, get_byte(op_id, 0) # 1)"
    )
    findings = Findings()

    compared = await compare(Server(casino.transport), casino.connection, PARTITION, findings)

    assert compared == "differs"
    assert [problem.message for problem in findings.problems] == [
        f"Redis ends with another event {last} than Postgres"
    ]


async def test_given_more_differences_than_are_kept_when_verified_then_the_others_are_counted(
    casino: Casino,
) -> None:
    await casino.have_played()
    for uid in range(1_000, 1_000 + PROBLEMS_MAX + 7):
        await casino.transport.call("SET", keys.player(PARTITION, uid), PLAYER.initial)

    result = await verdict(casino)

    assert len(result.problems) == PROBLEMS_MAX
    assert result.problem_count == PROBLEMS_MAX + 7


async def test_given_no_digest_at_all_when_verified_then_that_is_said(casino: Casino) -> None:
    await casino.have_played()
    assert (await verdict(casino)).without_digest == 0
    await casino.connection.execute("UPDATE events SET digest = NULL")

    result = await verdict(casino)

    assert result.sound
    assert result.without_digest == result.events > 0


async def test_given_many_keys_when_their_names_are_gathered_then_signs_of_life_are_given_meanwhile(
    casino: Casino, monkeypatch: pytest.MonkeyPatch
) -> None:
    await casino.have_played()
    for uid in range(1_000, 1_200):
        await casino.transport.call("SET", keys.player(PARTITION, uid), PLAYER.initial)
    monkeypatch.setattr(rebuild, "_SCANNED_AT_ONCE", 10)
    signs = []

    async def alive() -> None:
        signs.append(await casino.connection.fetchval("SELECT 1"))

    entries = [part async for part in redis_entries(Server(casino.transport), PARTITION, alive=alive)]

    assert entries
    assert len(signs) > 3
