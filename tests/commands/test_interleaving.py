"""Commands of all kinds at once, over several engines; then the books are balanced from the log and the state alone."""

import random

import pytest

from croupier_schemas import keys
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.records import CRASH, PLAYER, SESSION
from tests.commands.audit import Audit
from tests.commands.casino_economies import ECONOMIES
from tests.commands.conftest import OpenWorld
from tests.commands.interleaving import BANNED, EXCLUDED, RICH, Course
from tests.commands.stored import Store, index, stored
from tests.commands.world import NOON_MS, P, World

COMMANDS, HANDS, ENGINES = 3_000, 12, 3

EVENTS = {
    "epoch.opened", "economy.changed", "pool.added", "gacha.pulled", "crash.bet_placed", "crash.settled", "slot.spun",
    "rps.played", "rewards.granted", "session.started", "session.ended", "fairness.rotated",
}  # fmt: skip


async def opened_books(world: World) -> Audit:
    """The books, with the players who are there from the beginning."""
    beginnings = await stored(world)
    audit = Audit({uid: await world.existing_player(uid) for uid in (RICH, BANNED, EXCLUDED)})
    audit.store = {name: value for name, value in beginnings.items() if ":player:" in name}
    return audit


def without_idempotency(store: Store) -> Store:
    return {
        name: value for name, value in store.items() if not name.startswith(keys.idempotency(P, 0, "")[:8])
    }


async def assert_indexes(world: World, store: Store) -> None:
    """What the sweeper looks through is what is open."""
    bets, open_sessions = set(), set()
    for name, value in store.items():
        assert isinstance(value, bytes) or ":pool:" in name
        kind, _, place = name.removeprefix(f"{{{P}}}:").partition(":")
        if kind == "crash" and isinstance(value, bytes) and CRASH.unpack(value).bet:
            bets.add(place)
        elif kind == "session" and isinstance(value, bytes) and not SESSION.unpack(value).ended_at_ms:
            open_sessions.add(place)
        elif kind == "player" and isinstance(value, bytes):
            player = PLAYER.unpack(value)
            crash = store.get(keys.crash(P, int(place)))
            is_open = isinstance(crash, bytes) and CRASH.unpack(crash).bet > 0
            assert (player.payout_max > 0) == is_open
    assert set(await index(world, keys.crash_open(P))) == bets
    assert set(await index(world, keys.session_open(P))) == open_sessions


@pytest.mark.parametrize("seed", range(6))
async def test_given_all_commands_at_once_over_several_engines_when_audited_then_log_and_state_balance(
    open_world: OpenWorld, seed: int
) -> None:
    world = await open_world(ECONOMIES[0])
    await world.put_player(RICH, tokens=BALANCE_MAX - 20_000)
    await world.put_player(BANNED, flags=1)
    await world.put_player(EXCLUDED, excluded_until_ms=NOON_MS + 30_000)
    audit = await opened_books(world)
    engines = [await world.another_engine() for _ in range(ENGINES)]
    course = Course(world, engines, random.Random(seed))

    await course.run(hands=HANDS, commands=COMMANDS)

    events = await world.events()
    audit.read(events)
    store = without_idempotency(await stored(world))
    audit.close(store)
    await assert_indexes(world, store)
    assert all(len(replies) == 1 for replies in course.replies.values()), "two replies under one key"
    by_hands = [str(event.id) for event in events if event.header.tier]
    assert sorted(course.acknowledged) == sorted(by_hands), (
        "an effect that nobody was told of, or none that was told"
    )
    assert {event.header.type for event in events} == EVENTS, "some command never came to an effect"
