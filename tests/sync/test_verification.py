"""Verification finds each kind of damage, and says where; a sound installation it calls sound."""

from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from croupier_schemas import keys
from croupier_schemas.economy import RarityStock
from croupier_schemas.records import CRASH, PLAYER
from croupier_sync.digests import COLUMNS, digest_of
from croupier_sync.verification import verify
from croupier_sync.verification.findings import PROBLEMS_MAX
from tests.sync.support import PARTITION, Casino
from tests.sync.verified import found, play_everything, verdict

ME = 1

# How each column of an event is changed by one bit or byte.
BYTE = {
    "ts_ms": "ts_ms # 1",
    "created": "NOT created",
    "type": "overlay(type placing 'G' from 1 for 1)",
    "uid": "uid # 2",
    "tier": "overlay(tier placing 'W' from 1 for 1)",
    "idempotency_key": "overlay(idempotency_key placing 'R' from 1 for 1)",
    "rules": "rules # 2",
    **{
        column: f"set_byte({column}, 3, get_byte({column}, 3) # 1)"
        for column in ("op_id", "request_hash", "economy", "terms", "result", "changes")
    },
}


@pytest.fixture
async def played(casino: Casino) -> Casino:
    await play_everything(casino)
    return casino


async def event_of(casino: Casino, kind: str, offset: int = 0) -> tuple[str, str]:
    """The id of an event of a type, and the condition that selects its row."""
    epoch, seq = await casino.connection.fetchrow(
        "SELECT epoch, seq FROM events WHERE type = $1 ORDER BY epoch, seq OFFSET $2 LIMIT 1", kind, offset
    )
    return f"{PARTITION}-{epoch}-{seq}", f"epoch = {epoch} AND seq = {seq}"


async def chain_anew(casino: Casino) -> None:
    """Give every event the digest that it would have if it had been written like this: the other checks are alone."""
    rows = await casino.connection.fetch(f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY epoch, seq")
    before = b""
    for row in rows:
        before = digest_of(before, tuple(row))
        await casino.connection.execute(
            "UPDATE events SET digest = $1 WHERE epoch = $2 AND seq = $3", before, row["epoch"], row["seq"]
        )


async def patch_image(casino: Casino, where: str, key: str, at: int, value: bytes) -> None:
    """Write other bytes into an after-image of an event, and give the chain of digests its blessing."""
    row = await casino.connection.fetchrow(f"SELECT changes FROM events WHERE {where}")
    changes: bytes = row["changes"]
    start = changes.index(key.encode()) + len(key) + 1 + 2 + at  # key, empty field, head of a short bin
    patched = changes[:start] + value + changes[start + len(value) :]
    await casino.connection.execute(f"UPDATE events SET changes = $1 WHERE {where}", patched)
    await chain_anew(casino)


def offset_of(layout: Any, field: str) -> int:
    """Where a field of a record begins."""
    sizes = {name: each.width for name, each in layout.fields.items()}
    names = list(sizes)
    start: int = 1 + sum(sizes[name] for name in names[: names.index(field)])
    return start


async def test_given_a_played_casino_when_verified_then_it_is_sound_and_outcomes_were_computed_again(
    played: Casino,
) -> None:
    result = await verdict(played)

    assert result.problems == []
    assert result.sound
    assert result.redis == "equal"
    assert result.events == await played.connection.fetchval("SELECT count(*) FROM events")
    assert result.outcomes_recomputed > 20
    assert result.outcomes_hidden > 0
    balances = [
        PLAYER.unpack(value) for (key, _), value in (await played.mirror()).items() if ":player:" in key
    ]
    assert result.tokens_in - result.tokens_out == sum(player.tokens for player in balances)
    assert result.gems_in - result.gems_out == sum(player.gems for player in balances)


async def test_given_one_byte_changed_in_any_column_of_an_event_then_event_and_column_are_named(
    played: Casino,
) -> None:
    for column, changed in BYTE.items():
        event, where = await event_of(
            played, "rewards.granted" if column in ("idempotency_key", "request_hash") else "gacha.pulled", 1
        )
        original = await played.connection.fetchval(f"SELECT {column} FROM events WHERE {where}")
        await played.connection.execute(f"UPDATE events SET {column} = {changed} WHERE {where}")

        problems = (await verdict(played)).problems

        named = [problem for problem in problems if problem.check == "digests"]
        assert [(problem.event_id) for problem in named] == [event], column
        assert f"column {column}:" in named[0].message
        await played.connection.execute(f"UPDATE events SET {column} = $1 WHERE {where}", original)
    assert (await verdict(played)).sound


async def test_given_a_changed_digest_then_its_event_is_named_and_no_other(played: Casino) -> None:
    event, where = await event_of(played, "slot.spun", 2)
    await played.connection.execute(
        f"UPDATE events SET digest = set_byte(digest, 0, get_byte(digest, 0) # 1) WHERE {where}"
    )

    problems = (await verdict(played)).problems

    assert [(problem.check, problem.event_id, problem.message) for problem in problems] == [
        ("digests", event, "column digest was changed")
    ]


async def test_given_a_digest_that_is_gone_then_its_event_is_named(played: Casino) -> None:
    event, where = await event_of(played, "slot.spun", 2)
    await played.connection.execute(f"UPDATE events SET digest = NULL WHERE {where}")

    assert await found(played) == [("digests", event)]


async def test_given_events_from_before_the_digests_then_the_chain_begins_behind_them(played: Casino) -> None:
    rows = await played.connection.fetch(f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY epoch, seq")
    before = b""
    for row in rows:
        before = digest_of(before, tuple(row)) if row["seq"] >= 10 else b""
        await played.connection.execute(
            "UPDATE events SET digest = $1 WHERE seq = $2", before or None, row["seq"]
        )

    assert (await verdict(played)).sound


async def test_given_a_missing_event_then_the_gap_is_named(played: Casino) -> None:
    _, where = await event_of(played, "rps.played", 1)
    seq = await played.connection.fetchval(f"DELETE FROM events WHERE {where} RETURNING seq")

    problems = (await verdict(played)).problems

    gap = next(problem for problem in problems if problem.check == "ids")
    assert gap.event_id == f"0-1-{seq + 1}"
    assert gap.message == f"event 0-1-{seq} is missing before it"


async def test_given_an_event_of_another_epoch_then_the_ids_say_so(played: Casino) -> None:
    _, where = await event_of(played, "rps.played", 1)
    seq = await played.connection.fetchval(f"UPDATE events SET epoch = 2 WHERE {where} RETURNING seq")

    problems = await found(played)

    assert ("ids", f"0-1-{seq + 1}") in problems
    assert ("ids", f"0-2-{seq}") in problems


async def test_given_two_events_in_each_others_place_then_both_are_named(played: Casino) -> None:
    _, where = await event_of(played, "rps.played", 1)
    seq = await played.connection.fetchval(f"SELECT seq FROM events WHERE {where}")
    for old, new in ((seq, -1), (seq + 1, seq), (-1, seq + 1)):
        await played.connection.execute("UPDATE events SET seq = $2 WHERE seq = $1", old, new)

    problems = await found(played)

    assert {("digests", f"0-1-{seq}"), ("digests", f"0-1-{seq + 1}")} <= set(problems)


async def test_given_a_cursor_that_is_not_on_the_last_event_then_it_is_found(played: Casino) -> None:
    await played.connection.execute("UPDATE partitions SET seq = seq - 1")

    assert ("cursor", None) in await found(played)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("UPDATE mirror SET value = set_byte(value, 9, get_byte(value, 9) # 1) WHERE key = '{0}:player:1'", "mirror"),
        ("UPDATE mirror SET value = '3' WHERE key = '{0}:pool:festival' AND field = 'Legendary'", "mirror"),
        ("DELETE FROM mirror WHERE key = '{0}:gacha:1:standard'", "mirror"),
        ("INSERT INTO mirror VALUES (0, '{0}:player:77', '', '\\x01', 1, 3)", "mirror"),
        ("UPDATE mirror SET seq = seq - 1 WHERE key = '{0}:player:2'", "mirror"),
        ("UPDATE wallet_ledger SET delta = delta + 1 WHERE uid = 1 AND seq = (SELECT max(seq) FROM wallet_ledger"
         " WHERE uid = 1)", "ledger"),
        ("UPDATE wallet_ledger SET balance_after = balance_after + 1 WHERE uid = 2 AND line = 0", "ledger"),
        ("DELETE FROM wallet_ledger WHERE seq = (SELECT max(seq) FROM wallet_ledger)", "ledger"),
        ("UPDATE economy_versions SET canonical = canonical || ' '", "economies"),
    ],
)  # fmt: skip
async def test_given_a_damaged_table_then_the_check_of_that_table_finds_it(
    played: Casino, damage: str, expected: str
) -> None:
    await played.connection.execute(damage)

    assert expected in {check for check, _ in await found(played)}


async def test_given_a_balance_changed_in_the_mirror_then_key_byte_and_event_are_named_and_the_sum_is_off(
    played: Casino,
) -> None:
    at = offset_of(PLAYER, "tokens") + 7
    await played.connection.execute(
        "UPDATE mirror SET value = set_byte(value, $1, get_byte(value, $1) # 1) WHERE key = $2",
        at,
        keys.player(0, ME),
    )

    problems = (await verdict(played)).problems

    changed = next(problem for problem in problems if problem.check == "mirror")
    assert f"from byte {at} on" in changed.message
    assert keys.player(0, ME) in changed.message
    assert {"conservation", "redis"} <= {problem.check for problem in problems}


async def test_given_a_stock_off_by_one_then_the_pool_is_named_with_its_sum(played: Casino) -> None:
    left = int((await played.mirror())[keys.pool(0, "festival"), "Legendary"])
    await played.connection.execute(
        "UPDATE mirror SET value = $1 WHERE key = $2 AND field = 'Legendary'",
        str(left + 1).encode(), keys.pool(0, "festival"),
    )  # fmt: skip

    problems = (await verdict(played)).problems

    pool = next(problem for problem in problems if problem.check == "pools")
    assert "{0}:pool:festival Legendary" in pool.message
    assert "+ 5 added - " in pool.message


async def test_given_draws_from_an_empty_pool_when_verified_then_it_is_sound(casino: Casino) -> None:
    gacha = casino.economy.gacha
    festival = replace(gacha.banners["festival"], stock=RarityStock(Legendary=1, Epic=1))
    casino.economy = replace(
        casino.economy, gacha=replace(gacha, banners={**gacha.banners, "festival": festival})
    )
    async with casino.daemon():
        await casino.until_open()
        for _ in range(60):
            await casino.pull(ME, 10, banner="festival")
        await casino.until_caught_up()

    assert (await casino.mirror())[keys.pool(0, "festival"), "Epic"] == b"0"
    assert (await verdict(casino)).problems == []


async def test_given_a_changed_key_in_redis_then_it_is_named(played: Casino) -> None:
    await played.transport.call("SETRANGE", keys.player(0, ME), offset_of(PLAYER, "gems") + 7, b"\xff")
    await played.transport.call("DEL", keys.gacha(0, ME, "standard"))
    await played.transport.call("SET", keys.player(0, 77), b"\x01")

    result = await verdict(played)

    assert result.redis == "differs"
    messages = [problem.message for problem in result.problems]
    assert sorted(messages) == [
        "Redis has {0}:player:77, which the mirror lacks",
        "Redis holds other bytes in {0}:player:1 than the mirror",
        "Redis lacks {0}:gacha:1:standard",
    ]


async def test_given_events_that_postgres_does_not_have_yet_then_redis_is_said_to_be_moving(
    played: Casino,
) -> None:
    await played.pull(2)

    result = await verdict(played)

    assert result.redis == "moving"
    assert result.sound


# What the digests alone would not show: a log that was wrong already when it was written.


async def test_given_a_balance_that_does_not_follow_then_the_event_is_named(played: Casino) -> None:
    event, where = await event_of(played, "rewards.granted", 2)
    await patch_image(played, where, keys.player(0, ME), offset_of(PLAYER, "tokens") + 7, b"\xfe")

    assert ("balances", event) in await found(played)


async def test_given_a_nonce_that_goes_back_then_the_event_is_named(played: Casino) -> None:
    event, where = await event_of(played, "rewards.granted", 2)
    await patch_image(played, where, keys.player(0, ME), offset_of(PLAYER, "nonce") + 7, b"\x00")

    assert ("nonces", event) in await found(played)


async def test_given_a_round_that_was_settled_twice_then_the_second_settlement_is_named(
    played: Casino,
) -> None:
    """A later settlement of the same player becomes a repetition of the one before."""
    rows = await played.connection.fetch(
        "SELECT uid, seq, changes FROM events WHERE type = 'crash.settled' ORDER BY uid, seq"
    )
    first, second = next((a, b) for a, b in pairwise(rows) if a["uid"] == b["uid"])
    at = offset_of(CRASH, "settled_game")
    key = keys.crash(0, first["uid"])
    start = first["changes"].index(key.encode()) + len(key) + 3 + at
    game = first["changes"][start : start + 16]
    await patch_image(played, f"seq = {second['seq']}", key, at, game)

    problems = (await verdict(played)).problems

    named = next(problem for problem in problems if problem.check == "crash")
    assert named.event_id == f"0-1-{second['seq']}"
    assert named.message == f"round {game.hex()} was settled before"


async def test_given_a_reward_granted_twice_under_one_key_then_the_second_is_named(played: Casino) -> None:
    first, _ = await event_of(played, "rewards.granted", 0)
    second, where = await event_of(played, "rewards.granted", 2)
    await played.connection.execute(
        f"UPDATE events SET idempotency_key = (SELECT idempotency_key FROM events WHERE type = 'rewards.granted'"
        f" ORDER BY seq LIMIT 1) WHERE {where}"
    )
    await chain_anew(played)

    problems = (await verdict(played)).problems

    assert [(problem.check, problem.event_id) for problem in problems] == [("once", second)]
    assert first in problems[0].message


async def test_given_an_operation_that_is_in_the_log_twice_then_it_is_found(played: Casino) -> None:
    await played.connection.execute(
        "UPDATE events SET op_id = (SELECT op_id FROM events WHERE seq = 8) WHERE seq = 9"
    )
    await chain_anew(played)

    assert await found(played) == [("once", None)]


@pytest.mark.parametrize("kind", ["gacha.pulled", "slot.spun", "rps.played", "crash.settled"])
async def test_given_another_outcome_than_the_seed_gives_then_the_event_is_named(
    played: Casino, kind: str
) -> None:
    """Of every player whose seed is revealed: any byte of a result decides something that is recomputed."""
    epoch, seq = await played.connection.fetchrow(
        "SELECT epoch, seq FROM events WHERE type = $1 AND uid = 1 AND seq <"
        " (SELECT max(seq) FROM events WHERE type = 'fairness.rotated' AND uid = 1) ORDER BY seq LIMIT 1", kind
    )  # fmt: skip
    at = {"gacha.pulled": 33, "slot.spun": 1, "rps.played": 1, "crash.settled": 4}[kind]
    await played.connection.execute(
        "UPDATE events SET result = set_byte(result, $1, get_byte(result, $1) # 1) WHERE epoch = $2 AND seq = $3",
        at, epoch, seq,
    )  # fmt: skip
    await chain_anew(played)

    assert {"outcomes", "readable"} & {
        check for check, event in await found(played) if event == f"0-{epoch}-{seq}"
    }


async def test_given_pity_that_the_pull_before_did_not_leave_then_the_pull_is_named(played: Casino) -> None:
    event, where = await event_of(played, "gacha.pulled", 5)
    await played.connection.execute(
        f"UPDATE events SET result = set_byte(result, 4, get_byte(result, 4) # 1) WHERE {where}"
    )
    await chain_anew(played)

    said = [problem.message for problem in (await verdict(played)).problems if problem.event_id == event]
    assert any(", and the pull before left Gacha(" in message for message in said)


async def test_given_more_problems_than_are_kept_then_the_others_are_counted(played: Casino) -> None:
    extra = 2 * PROBLEMS_MAX
    await played.connection.execute(
        "INSERT INTO mirror SELECT 0, '{0}:player:' || 1000 + i, '', '\\x01', 1, 3 FROM generate_series(1, $1::int) i",
        extra,
    )

    result = await verify(played.connection)

    assert len(result.problems) == PROBLEMS_MAX
    assert result.problem_count == extra
    assert not result.sound
