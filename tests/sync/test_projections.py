"""Projections: what events become, and that a bad one stops nothing else."""

from typing import Any

from msgspec.structs import replace

from croupier_schemas import keys
from croupier_schemas.events import Change, Event, EventHeader, EventId
from croupier_schemas.records import PLAYER
from croupier_sync.batch import apply
from croupier_sync.mirror import fold
from croupier_sync.outbox import read_after
from croupier_sync.position import read_position
from croupier_sync.projector import Projector
from tests.sync.support import PARTITION, Casino


async def _opened(casino: Casino) -> None:
    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()


async def _waiting(casino: Casino) -> list[Event]:
    """The events that Postgres does not have yet."""
    position = await read_position(casino.connection, PARTITION)
    return await read_after(casino.transport, await casino.stream(), position, 1000)


async def _apply(casino: Casino, events: list[Event]) -> Projector:
    projector = Projector()
    await apply(casino.connection, projector, await read_position(casino.connection, PARTITION), events)
    return projector


async def _rows(casino: Casino, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await casino.connection.fetch(statement)]


async def test_given_a_players_first_pull_when_projected_then_the_grants_come_before_its_price(
    casino: Casino,
) -> None:
    await _opened(casino)
    await casino.pull(1, 10)
    await casino.pull(2, banner="festival", gems=True)
    await casino.pull(1)
    await _apply(casino, await _waiting(casino))
    statement = (
        "SELECT uid, line, type, currency, delta, balance_after FROM wallet_ledger ORDER BY epoch, seq, line"
    )
    assert await _rows(casino, statement) == [
        (1, 0, "player.created", "tokens", 10**9, 10**9),
        (1, 1, "player.created", "gems", 10**6, 10**6),
        (1, 2, "gacha.pulled", "tokens", -50_000, 10**9 - 50_000),
        (2, 0, "player.created", "tokens", 10**9, 10**9),
        (2, 1, "player.created", "gems", 10**6, 10**6),
        (2, 2, "gacha.pulled", "gems", -50, 10**6 - 50),
        (1, 0, "gacha.pulled", "tokens", -5_000, 10**9 - 55_000),
    ]
    assert await _rows(casino, "SELECT uid, delta_coin, delta_gem FROM game_history ORDER BY epoch, seq") == [
        (1, -50_000, 0),
        (2, 0, -50),
        (1, -5_000, 0),
    ]


async def test_given_a_player_whose_first_command_is_a_rotation_when_projected_then_only_the_grants_are_lines(
    casino: Casino,
) -> None:
    await _opened(casino)
    await casino.rotate(1)
    await casino.rotate(1)
    await _apply(casino, await _waiting(casino))
    statement = "SELECT uid, type, currency, delta FROM wallet_ledger ORDER BY epoch, seq, line"
    assert await _rows(casino, statement) == [
        (1, "player.created", "tokens", 10**9),
        (1, "player.created", "gems", 10**6),
    ]
    assert await _rows(casino, "SELECT * FROM game_history") == []


async def test_given_pulls_when_projected_then_history_names_what_the_replies_named(casino: Casino) -> None:
    await _opened(casino)
    replies = [await casino.pull(1, count, banner="spotlight") for count in (1, 10)]
    await _apply(casino, await _waiting(casino))
    for reply in replies:
        path = "SELECT jsonb_path_query_array(result_meta, '$.items[*].item_id') FROM game_history WHERE seq = $1"
        ids = await casino.connection.fetchval(path, reply.receipt.seq)
        assert ids == str([item.item_id for item in reply.items]).replace("'", '"')
        meta = (
            "SELECT result_meta->>'banner', result_meta->>'cost', result_meta->>'currency' FROM game_history"
        )
        assert ("spotlight", str(reply.cost_used), "tokens") in await _rows(casino, meta)


async def test_given_pulls_of_a_day_when_projected_then_each_player_has_what_is_left_after_the_last(
    casino: Casino,
) -> None:
    await _opened(casino)
    for _ in range(3):
        await casino.pull(1)
    last = await casino.pull(1, tier="VIP")
    other = await casino.pull(2)
    await _apply(casino, await _waiting(casino))
    assert await _rows(casino, "SELECT uid, tier, remaining FROM gacha_daily ORDER BY uid") == [
        (1, "VIP", last.daily_remaining),
        (2, "STANDARD", other.daily_remaining),
    ]


async def test_given_an_event_that_cannot_be_read_when_projected_then_it_is_buried_and_the_rest_goes_on(
    casino: Casino,
) -> None:
    await _opened(casino)
    for uid in (1, 2, 3):
        await casino.pull(uid)
    first, second, third = await _waiting(casino)
    unreadable = replace(second, changes=())
    projector = await _apply(casino, [first, unreadable, third])
    assert projector.failures == 1
    assert await _rows(casino, "SELECT seq, projection FROM projection_failures") == [
        (second.id.seq, "gacha.pulled")
    ]
    assert await _rows(casino, "SELECT uid FROM game_history ORDER BY seq") == [(1,), (3,)]
    assert await casino.connection.fetchval("SELECT count(*) FROM events WHERE type = 'gacha.pulled'") == 3


async def test_given_a_row_that_its_table_refuses_when_projected_then_only_that_row_is_buried(
    casino: Casino,
) -> None:
    await _opened(casino)
    for uid in (1, 2):
        await casino.pull(uid)
    first, second = await _waiting(casino)
    (player, *others) = second.changes
    assert player.value is not None
    too_rich = PLAYER.pack_durable(replace(PLAYER.unpack(player.value), tokens=2**63))
    projector = await _apply(
        casino, [first, replace(second, changes=(replace(player, value=too_rich), *others))]
    )
    assert projector.failures == 1
    assert await _rows(casino, "SELECT seq, projection FROM projection_failures") == [
        (second.id.seq, "wallet_ledger")
    ]
    assert await _rows(casino, "SELECT uid FROM game_history ORDER BY seq") == [(1,), (2,)]
    assert await _rows(casino, "SELECT uid FROM wallet_ledger") == [(1,), (1,), (1,)]
    assert await _rows(casino, "SELECT uid FROM gacha_daily ORDER BY uid") == [(1,), (2,)]


async def test_given_a_table_that_is_gone_when_followed_then_events_mirror_and_the_other_tables_go_on(
    casino: Casino,
) -> None:
    await _opened(casino)
    await casino.connection.execute("ALTER TABLE game_history RENAME TO elsewhere")
    async with casino.daemon():
        for uid in (1, 2):
            await casino.pull(uid)
        await casino.until_caught_up()
    assert await casino.mirror() == await casino.durable_state()
    failed = await _rows(casino, "SELECT projection, count(*) FROM projection_failures GROUP BY 1")
    assert failed == [("game_history", 2)]
    assert await casino.connection.fetchval("SELECT count(DISTINCT uid) FROM wallet_ledger") == 2


def _event(template: Event, seq: int, *changes: Change) -> Event:
    return replace(template, id=replace(template.id, seq=seq), changes=changes)


async def test_given_keys_that_are_deleted_when_mirrored_then_all_their_fields_go_and_what_follows_stays(
    casino: Casino,
) -> None:
    await _opened(casino)
    await casino.pull(1)
    (event,) = await _waiting(casino)
    pool, player = keys.pool(PARTITION, "festival"), keys.player(PARTITION, 9)
    seq = event.id.seq
    batches = [
        [_event(event, seq, Change(player, "", b"a"), Change(pool, "Rare", b"1"))],
        [_event(event, seq + 1, Change(pool, "", None)), _event(event, seq + 2, Change(pool, "Epic", b"2"))],
        [_event(event, seq + 3, Change(player, "", b"b")), _event(event, seq + 4, Change(player, "", None))],
        [_event(event, seq + 5, Change(player, "", None)), _event(event, seq + 6, Change(player, "", b"c"))],
    ]
    for batch in batches:
        await _apply(casino, batch)
    statement = "SELECT key, field, value, seq FROM mirror WHERE key = ANY($1) ORDER BY key"
    rows = [tuple(row) for row in await casino.connection.fetch(statement, [pool, player])]
    assert rows == [(player, "", b"c", seq + 6), (pool, "Epic", b"2", seq + 2)]


def test_given_a_key_set_deleted_and_set_again_when_folded_then_the_last_word_counts() -> None:
    header = EventHeader("test", 1, "", b"", "", b"", b"", 1)
    template = Event(EventId(0, 1, 0), 0, False, header, b"", ())
    gone, images = fold(
        [
            _event(template, 0, Change("k", "a", b"1"), Change("k", "b", b"1")),
            _event(template, 1, Change("k", "", None)),
            _event(template, 2, Change("k", "a", b"2")),
        ]
    )
    assert gone == {"k"}
    assert images == {("k", "a"): (b"2", 2)}
