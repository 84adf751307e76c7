"""Rewards and Postgres: once per key for ever, whatever became of Redis' keys, and what a player reads back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from croupier import durability
from croupier.command import Caller, Outcome
from croupier.durability import Durability
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.op_id import OP_LIFETIME_MS, OpIds
from croupier.partition import close
from croupier.query import Sources
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rewards.queries import rewards
from croupier.transport import Transport
from croupier_schemas import keys
from croupier_schemas.events import Event
from croupier_schemas.records import PLAYER
from croupier_schemas.rewards import RewardsDistribute, RewardsDistributeReply, RewardsQuery
from croupier_sync.batch import apply
from croupier_sync.limits import Limits
from croupier_sync.once import let_keys_expire
from croupier_sync.outbox import read_after
from croupier_sync.position import read_position
from croupier_sync.projector import Projector
from croupier_sync.server import Server
from tests.redis_server import administrator
from tests.sync.support import PARTITION, Casino

ADMIN, ME = 900, 1
GIFT = RewardsDistribute(ME, "TOKENS", 5_000, "Welcome gift", "welcome-1")
KEY = keys.idempotency(PARTITION, ME, "rewards.distribute welcome-1")


@pytest.fixture
async def engine(casino: Casino, pool: asyncpg.Pool) -> Engine:
    """The engine of a server with Postgres; player 1 exists, and no daemon runs."""
    await casino.have_played()
    return Engine(casino.transport, casino.engine.settings, Durability(pool, timeout_s=5.0))


async def grant(engine: Engine, request: RewardsDistribute = GIFT) -> Outcome[RewardsDistributeReply]:
    asked = Caller(ADMIN, "STANDARD", "admin", OpIds(engine.now_ms).new())
    return await engine.execute(DISTRIBUTE, asked, request)


async def tokens(casino: Casino) -> int:
    record = await casino.transport.call("GET", keys.player(PARTITION, ME))
    assert isinstance(record, bytes)
    return PLAYER.unpack(record).tokens


async def grants(casino: Casino) -> list[Event]:
    return [event for event in await casino.log() if event.header.type == "rewards.granted"]


async def left_ms(casino: Casino) -> int:
    left = await casino.administer("PTTL", KEY)
    assert isinstance(left, int)
    return left


async def follow(casino: Casino, limits: Limits | None = None) -> None:
    async with casino.daemon(limits or Limits()):
        await casino.until_caught_up()


async def require_first_again(casino: Casino, engine: Engine, first: Outcome[RewardsDistributeReply]) -> None:
    """The reward is asked for again: the first answer, nothing granted, and another request is still refused."""
    before, log = await tokens(casino), await casino.log()
    again = await grant(engine)
    assert again.replayed
    assert again.reply == first.reply
    with pytest.raises(CroupierError, match="IDEMPOTENCY_KEY_REUSED"):
        await grant(engine, replace(GIFT, amount=5_001))
    assert (await tokens(casino), await casino.log()) == (before, log)


# At most once, for ever.


async def test_given_a_daemon_down_longer_than_any_ttl_when_it_returns_then_the_key_may_go_and_the_answer_stays(
    casino: Casino, engine: Engine
) -> None:
    first = await grant(engine)
    assert await left_ms(casino) == -1
    await require_first_again(casino, engine, first)  # Redis' answer, Postgres does not have the event

    await follow(casino)

    assert 0 < await left_ms(casino) <= 600_000
    await require_first_again(casino, engine, first)  # both could answer
    await casino.transport.call("DEL", KEY)
    await casino.pull(ME)
    await require_first_again(casino, engine, first)  # Postgres' answer
    assert await casino.transport.call("EXISTS", KEY) == 0


@pytest.mark.parametrize(
    ("kept_s", "expected_ms"), [(1.0, OP_LIFETIME_MS), (1_000.0, 1_000_000)], ids=["floor", "setting"]
)
async def test_given_a_time_to_live_when_the_event_is_in_postgres_then_the_key_outlives_every_command_begun_before(
    casino: Casino, engine: Engine, kept_s: float, expected_ms: int
) -> None:
    await grant(engine)

    await follow(casino, Limits(kept_s=kept_s))

    assert expected_ms - 60_000 < await left_ms(casino) <= expected_ms


async def test_given_more_keys_than_redis_is_sent_at_once_when_they_are_to_expire_then_all_of_them_do(
    casino: Casino, engine: Engine
) -> None:
    # Given
    await grant(engine)
    (event,) = [event for event in await casino.log() if event.header.type == "rewards.granted"]
    names = [f"welcome-{number}" for number in range(1_500)]
    events = [replace(event, header=replace(event.header, idempotency_key=name)) for name in names]
    places = [keys.idempotency(PARTITION, event.header.uid, name) for name in names]
    await casino.transport.call("MSET", *(part for place in places for part in (place, b"kept")))
    transport = Transport(casino.redis_url, in_flight_max=600)
    await transport.open()

    # When
    await let_keys_expire(Server(transport), events, 600.0)

    # Then
    with administrator(casino.redis_url) as client:
        assert -1 not in [client.pttl(place) for place in places]
    await transport.close()


async def test_given_events_that_an_opener_drains_when_open_then_their_keys_get_a_time_to_live_too(
    casino: Casino, engine: Engine
) -> None:
    first = await grant(engine)
    await casino.pretend_restart()

    async with casino.daemon():
        await casino.until_open()
        await casino.until_caught_up()
        assert 0 < await left_ms(casino) <= 600_000
        await require_first_again(casino, engine, first)


async def test_given_a_key_of_another_kind_when_followed_then_its_time_to_live_is_left_alone(
    casino: Casino, engine: Engine
) -> None:
    await grant(engine, replace(GIFT, key=None))
    other = keys.idempotency(PARTITION, ME, "order-1")
    await casino.transport.call("SET", other, "x")

    await follow(casino)

    assert await casino.administer("PTTL", other) == -1


async def test_given_a_redis_rebuilt_without_its_keys_when_all_rewards_are_repeated_then_none_is_granted_again(
    casino: Casino, engine: Engine
) -> None:
    wanted = [replace(GIFT, key=f"k-{number}") for number in range(50)]
    firsts = await asyncio.gather(*(grant(engine, each) for each in wanted))
    await follow(casino)
    names: Any = await casino.administer("KEYS", f"{{{PARTITION}}}:idem:*")
    assert len(names) == 50
    await casino.transport.call("DEL", *names)
    before = await tokens(casino)

    again = await asyncio.gather(*(grant(engine, each) for each in wanted))

    assert [each.reply for each in again] == [each.reply for each in firsts]
    assert all(each.replayed for each in again)
    assert await tokens(casino) == before
    assert len(await grants(casino)) == 50


async def test_given_one_key_and_a_running_daemon_when_100_grants_race_then_one_has_an_effect(
    casino: Casino, engine: Engine
) -> None:
    before = await tokens(casino)
    async with casino.daemon():
        answers = await asyncio.gather(*(grant(engine) for _ in range(100)))
        await casino.until_caught_up()

    assert len({str(answer.reply) for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + 99 * [True]
    assert len(await grants(casino)) == 1
    assert await tokens(casino) == before + 5_000


async def test_given_postgres_away_when_granting_then_not_ready_and_nothing_is_granted(
    casino: Casino, database_url: str
) -> None:
    await casino.have_played()
    closed = await asyncpg.create_pool(database_url, min_size=0)
    await closed.close()
    engine = Engine(casino.transport, casino.engine.settings, Durability(closed, timeout_s=1.0))
    before = await tokens(casino)

    with pytest.raises(CroupierError, match="NOT_READY"):
        await grant(engine)

    assert await tokens(casino) == before
    assert await grants(casino) == []
    assert await casino.transport.call("EXISTS", KEY) == 0
    assert not (await grant(engine, replace(GIFT, key=None))).replayed  # what has no key needs no look


# Between the look and the script.


class Interrupted(Durability):
    """Lets something happen once, right after a look in Postgres."""

    def __init__(self, pool: asyncpg.Pool, action: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(pool, timeout_s=5.0)
        self._action: Callable[[], Awaitable[Any]] | None = action
        self.looks = 0

    async def first(self, uid: int, key: str) -> Event | None:
        self.looks += 1
        found = await super().first(uid, key)
        action, self._action = self._action, None
        if action is not None:
            await action()
        return found


async def test_given_a_grant_that_reaches_postgres_after_the_look_when_the_script_runs_then_redis_still_knows(
    casino: Casino, engine: Engine, pool: asyncpg.Pool
) -> None:
    firsts = []

    async def granted_and_taken() -> None:
        firsts.append(await grant(engine))
        await follow(casino, Limits(kept_s=0.0))

    interrupted = Interrupted(pool, granted_and_taken)
    again = await grant(Engine(casino.transport, engine.settings, interrupted))

    assert again.replayed and again.reply == firsts[0].reply
    assert interrupted.looks == 1
    assert len(await grants(casino)) == 1


async def test_given_a_redis_that_loses_the_key_after_the_look_when_open_again_then_postgres_is_asked_again(
    casino: Casino, engine: Engine, pool: asyncpg.Pool
) -> None:
    firsts = []

    async def granted_taken_and_lost() -> None:
        firsts.append(await grant(engine))
        await follow(casino)
        await casino.transport.call("DEL", KEY)
        await casino.pretend_restart()
        await _close(casino)
        async with casino.daemon():
            await casino.until_open()

    interrupted = Interrupted(pool, granted_taken_and_lost)
    patient = replace(engine.settings, command_timeout_seconds=20.0)
    again = await grant(Engine(casino.transport, patient, interrupted))

    assert again.replayed and again.reply == firsts[0].reply
    assert interrupted.looks == 2
    assert len(await grants(casino)) == 1


async def _close(casino: Casino) -> None:
    """Take the fence away, as the name of the outbox does not fit a server that was started anew."""
    head = await casino.head()
    assert head is not None
    await close(casino.transport, casino.engine.scripts, PARTITION, head)


# Projections.


async def waiting(casino: Casino) -> list[Event]:
    position = await read_position(casino.connection, PARTITION)
    return await read_after(casino.transport, await casino.stream(), position, 1000)


async def test_given_grants_when_projected_then_each_is_a_reward_and_a_line_of_the_ledger_and_no_round(
    casino: Casino, engine: Engine
) -> None:
    rounds = await casino.connection.fetchval("SELECT count(*) FROM game_history")
    await grant(engine)
    await grant(engine, RewardsDistribute(ME, "GEMS", 3, "Raffle"))
    await follow(casino)

    rows = await casino.connection.fetch(
        "SELECT uid, reward_type, amount, source_description, key, granted_by FROM user_rewards ORDER BY seq"
    )
    assert [tuple(row) for row in rows] == [
        (ME, "TOKENS", 5_000, "Welcome gift", "welcome-1", ADMIN),
        (ME, "GEMS", 3, "Raffle", "", ADMIN),
    ]
    lines = "SELECT currency, delta FROM wallet_ledger WHERE type = 'rewards.granted' ORDER BY seq"
    assert [tuple(row) for row in await casino.connection.fetch(lines)] == [("tokens", 5_000), ("gems", 3)]
    assert await casino.connection.fetchval("SELECT count(*) FROM game_history") == rounds
    await casino.require_ledger_adds_up()
    await casino.require_mirror()


async def test_given_two_events_under_one_key_when_projected_then_the_second_is_a_dead_letter_and_the_rest_goes_on(
    casino: Casino, engine: Engine
) -> None:
    await grant(engine)
    await casino.transport.call("DEL", KEY)  # as nothing but a fault would
    await grant(engine)
    await grant(engine, replace(GIFT, key="welcome-2"))
    events, projector = await waiting(casino), Projector()

    await apply(casino.connection, projector, await read_position(casino.connection, PARTITION), events)

    failed = await casino.connection.fetch("SELECT seq, projection, error FROM projection_failures")
    assert [(row["seq"], row["projection"]) for row in failed] == [(events[1].id.seq, "user_rewards")]
    assert "user_rewards_once_per_key" in failed[0]["error"]
    assert projector.failures == 1
    assert await casino.connection.fetchval("SELECT count(*) FROM user_rewards") == 2
    await casino.require_ledger_adds_up()
    assert (await grant(engine)).reply.receipt.seq == events[0].id.seq  # of the two, the first one


async def test_given_the_look_for_a_key_when_planned_then_it_needs_no_more_than_its_index(
    casino: Casino,
) -> None:
    await casino.connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
    await casino.connection.execute(f"PREPARE look (bigint, text) AS {durability._FIRST}")
    plan = await casino.connection.fetch("EXPLAIN EXECUTE look(1, 'x')")
    assert "events_once_per_key" in str(plan)


# The list.


@pytest.fixture
async def seven(casino: Casino, engine: Engine, pool: asyncpg.Pool) -> Sources:
    """Player 1 with seven rewards among those of player 2, all in Postgres."""
    for number in range(7):
        await grant(engine, replace(GIFT, key=f"k-{number}"))
        await grant(engine, replace(GIFT, user_id=2, key=f"k-{number}"))
    await follow(casino)
    return Sources(casino.engine, pool)


def asking(uid: int, role: str = "user") -> Caller:
    return Caller(uid, "STANDARD", role, bytes(16))


async def test_given_rewards_when_listed_by_the_player_or_an_admin_then_newest_first_and_only_the_players(
    casino: Casino, seven: Sources
) -> None:
    reply = await rewards(seven, asking(ME), RewardsQuery(ME))

    mine = [event for event in await grants(casino) if event.header.uid == ME]
    assert (reply.total, reply.next_cursor) == (7, None)
    assert [item.event_id for item in reply.items] == [str(event.id) for event in reversed(mine)]
    assert [item.key for item in reply.items] == [f"k-{number}" for number in reversed(range(7))]
    assert await rewards(seven, asking(ADMIN, "admin"), RewardsQuery(ME)) == reply


async def test_given_somebody_elses_rewards_when_listed_by_a_player_then_forbidden(seven: Sources) -> None:
    with pytest.raises(CroupierError, match="FORBIDDEN"):
        await rewards(seven, asking(2), RewardsQuery(ME))


@pytest.mark.parametrize("limit", [1, 3, 7, 8])
async def test_given_pages_of_any_size_when_followed_then_nothing_is_missed_or_repeated(
    seven: Sources, limit: int
) -> None:
    whole = await rewards(seven, asking(ME), RewardsQuery(ME))
    cursor, items = None, []
    while True:
        page = await rewards(seven, asking(ME), RewardsQuery(ME, limit=limit, cursor=cursor))
        assert page.total == 7 and len(page.items) <= limit
        items += page.items
        if (cursor := page.next_cursor) is None:
            break
    assert items == whole.items
    skipped = await rewards(seven, asking(ME), RewardsQuery(ME, offset=2, limit=limit))
    assert skipped.items == whole.items[2 : 2 + limit]


async def test_given_offset_and_cursor_at_once_when_listed_then_refused(seven: Sources) -> None:
    page = await rewards(seven, asking(ME), RewardsQuery(ME, limit=1))
    with pytest.raises(CroupierError, match="VALIDATION_ERROR"):
        await rewards(seven, asking(ME), RewardsQuery(ME, offset=1, cursor=page.next_cursor))
