"""What became of an attempt, on a server without Postgres: `applied`, `not_applied`, or `unknown`, never wrongly."""

import asyncio
import datetime
from typing import Any

import pytest

from croupier import ops
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.gacha.pull import PULL
from croupier.op_id import OP_LIFETIME_MS, OpIds, made_ms
from croupier.ops import OP
from croupier.query import Sources
from croupier_cli.embedded import Valkey
from croupier_schemas import keys
from croupier_schemas.gacha import GachaPull
from croupier_schemas.ops import OpQuery, OpReply
from tests.commands.economies import main
from tests.commands.world import P, World, caller
from tests.transport.proxy import Direction, Kind, Proxy

ME, SOMEBODY = 1, 2
DEADLINE_S = 20.0


@pytest.fixture
async def casino(world: World) -> World:
    """A casino whose engine lives by the server's own clock."""
    world.engine = await world.another_engine(clock_ms="real")
    await world.engine.transport.call("PING")
    return world


@pytest.fixture
def time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question takes every attempt made so far for one that can no longer run."""
    monkeypatch.setattr(ops, "OP_LIFETIME_MS", -60_000)


async def server_ms(world: World) -> int:
    time: Any = await world.transport.call("TIME")
    return int(time[0]) * 1000 + int(time[1]) // 1000


async def op_made(world: World, before_ms: int) -> bytes:
    """The id of an attempt made so long before now."""
    now_ms = await server_ms(world)
    return OpIds(lambda: now_ms - before_ms).new()


async def pull(engine: Engine, op_id: bytes, uid: int = ME, key: str = "") -> None:
    await engine.execute(PULL, caller(uid, op_id=op_id, key=key), GachaPull(1, "main", False))


async def ask(
    world: World, op_id: bytes, uid: int = ME, role: str = "user", engine: Engine | None = None
) -> OpReply:
    sources = Sources(engine or world.engine, None)
    reply = await OP.answer(sources, caller(uid, role=role), OpQuery(op_id.hex()))
    assert reply.op_id == op_id.hex()
    if reply.outcome != "applied":
        assert (reply.event_id, reply.type, reply.durable) == (None, None, None)
    return reply


async def outcome(world: World, op_id: bytes, **options: Any) -> str:
    return (await ask(world, op_id, **options)).outcome


def test_given_several_processes_when_they_make_ids_at_the_same_time_then_no_two_are_equal_and_each_tells_it() -> (
    None
):
    ids = [
        process.new()
        for process in (OpIds(lambda: 1_790_000_000_123), OpIds(lambda: 1_790_000_000_123))
        for _ in range(500)
    ]

    assert len(set(ids)) == 1_000
    assert {len(op_id) for op_id in ids} == {16}
    assert {made_ms(op_id) for op_id in ids} == {1_790_000_000_123}


async def test_given_a_pull_when_asked_then_it_was_applied_by_that_event(casino: World) -> None:
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id)
    now_ms = await server_ms(casino)

    reply = await ask(casino, op_id)

    (event,) = await casino.events("gacha.pulled")
    assert (reply.outcome, reply.event_id, reply.type) == ("applied", str(event.id), "gacha.pulled")
    assert reply.durable is None
    assert reply.checked_at >= datetime.datetime.fromtimestamp(now_ms / 1000, datetime.UTC)


@pytest.mark.usefixtures("time_is_over")
@pytest.mark.parametrize("later", range(6))
async def test_given_later_events_when_asked_then_it_is_found_in_whatever_part_of_the_outbox_it_is(
    casino: World, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    monkeypatch.setattr(ops, "CHUNK", 2)
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id)
    for _ in range(later):
        await pull(casino.engine, await op_made(casino, before_ms=0), SOMEBODY)

    assert await outcome(casino, op_id) == "applied"


@pytest.mark.usefixtures("time_is_over")
async def test_given_an_event_older_than_what_is_read_when_asked_then_it_is_unknown(
    casino: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops, "CHUNK", 2)
    monkeypatch.setattr(ops, "CHUNKS_MAX", 2)
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id)
    for _ in range(4):
        await pull(casino.engine, await op_made(casino, before_ms=0), SOMEBODY)

    assert await outcome(casino, op_id) == "unknown"


@pytest.mark.usefixtures("time_is_over")
async def test_given_a_push_since_when_asked_then_it_is_found_under_the_outboxs_new_name(
    casino: World,
) -> None:
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id)
    await casino.push(main(enabled=False))

    assert await outcome(casino, op_id) == "applied"


async def test_given_an_attempt_that_never_arrived_when_its_time_is_over_then_it_was_not_applied(
    casino: World,
) -> None:
    op_id = await op_made(casino, before_ms=OP_LIFETIME_MS + 1)

    assert await outcome(casino, op_id) == "not_applied"


@pytest.mark.parametrize("before_ms", [OP_LIFETIME_MS - 60_000, 0, -3_600_000, -(10**13)])
async def test_given_an_attempt_that_may_still_run_when_asked_then_it_is_unknown(
    casino: World, before_ms: int
) -> None:
    assert await outcome(casino, await op_made(casino, before_ms)) == "unknown"


async def test_given_an_attempt_whose_time_is_over_when_it_runs_then_it_is_refused(casino: World) -> None:
    op_id = await op_made(casino, before_ms=OP_LIFETIME_MS + 1)

    with pytest.raises(CroupierError, match="EXPIRED"):
        await pull(casino.engine, op_id)

    assert await casino.player(ME) is None


@pytest.mark.usefixtures("time_is_over")
async def test_given_a_repeat_of_a_key_when_asked_then_only_the_first_attempt_was_applied(
    casino: World,
) -> None:
    first, second = await op_made(casino, before_ms=0), await op_made(casino, before_ms=0)
    await pull(casino.engine, first, key="order-1")
    await pull(casino.engine, second, key="order-1")

    assert await outcome(casino, first) == "applied"
    assert await outcome(casino, second) == "not_applied"


@pytest.mark.usefixtures("time_is_over")
async def test_given_somebody_elses_attempt_when_asked_then_only_an_admin_is_told(casino: World) -> None:
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id, SOMEBODY)

    assert await outcome(casino, op_id) == "unknown"
    assert await outcome(casino, op_id, role="admin") == "applied"
    assert await outcome(casino, op_id, uid=SOMEBODY) == "applied"


@pytest.mark.usefixtures("time_is_over")
async def test_given_an_idempotency_key_made_of_anothers_id_when_asked_then_the_two_are_not_mistaken(
    casino: World,
) -> None:
    looks_like_text = b"!" * 16
    await pull(casino.engine, await op_made(casino, before_ms=0), key=looks_like_text.decode())

    assert (await ask(casino, looks_like_text)).event_id is None


@pytest.mark.usefixtures("time_is_over")
@pytest.mark.parametrize("state", ["closed", "another server", "without its outbox", "empty"])
async def test_given_a_partition_that_is_not_in_force_when_asked_then_it_is_unknown(
    casino: World, state: str
) -> None:
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id)
    if state == "closed":
        await casino.shut()
    elif state == "empty":
        await casino.administer("FLUSHALL")
    elif state == "another server":
        await casino.transport.call("HSET", keys.head(P), "identity", "0" * 40 + ":" + "1" * 40)
    else:
        await casino.transport.call("DEL", keys.outbox(P, (await casino.head()).fence))

    assert await outcome(casino, op_id) == "unknown"
    assert await outcome(casino, await op_made(casino, before_ms=0)) == "unknown"


@pytest.mark.usefixtures("time_is_over")
async def test_given_a_new_epoch_on_the_same_log_when_asked_then_both_answers_are_given(
    casino: World,
) -> None:
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id)
    await casino.shut()
    await casino.open(epoch=2)

    assert await outcome(casino, op_id) == "applied"
    assert await outcome(casino, await op_made(casino, before_ms=0)) == "not_applied"


@pytest.mark.usefixtures("time_is_over")
async def test_given_an_outbox_that_was_trimmed_when_asked_then_nothing_can_be_ruled_out(
    casino: World,
) -> None:
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id)
    await pull(casino.engine, await op_made(casino, before_ms=0))
    await casino.transport.call("XTRIM", keys.outbox(P, (await casino.head()).fence), "MAXLEN", 1)

    assert await outcome(casino, op_id) == "unknown"


@pytest.mark.usefixtures("time_is_over")
async def test_given_a_server_clock_behind_the_last_event_when_asked_then_nothing_can_be_ruled_out(
    casino: World,
) -> None:
    casino.clock.now_ms = await server_ms(casino) + 3_600_000
    await pull(await casino.another_engine(), await op_made(casino, before_ms=-3_600_000))

    assert await outcome(casino, await op_made(casino, before_ms=0)) == "unknown"


@pytest.mark.usefixtures("time_is_over")
async def test_given_commands_that_bring_their_own_time_when_asked_then_nothing_can_be_ruled_out(
    casino: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(casino.engine, "injected_clock", casino.clock)

    assert await outcome(casino, await op_made(casino, before_ms=0)) == "unknown"


@pytest.mark.usefixtures("time_is_over")
async def test_given_no_connection_to_redis_when_asked_then_it_is_unknown(casino: World) -> None:
    op_id = await op_made(casino, before_ms=0)
    await pull(casino.engine, op_id)
    engine = await casino.another_engine(clock_ms="real")
    await engine.transport.close()

    assert await outcome(casino, op_id, engine=engine) == "unknown"


@pytest.mark.usefixtures("time_is_over")
@pytest.mark.parametrize(
    ("direction", "after_bytes"),
    [(Direction.REPLIES, 0), (Direction.REPLIES, 9), *((Direction.REQUESTS, sent) for sent in (1, 60, 400))],
)
async def test_given_a_connection_cut_around_a_pull_when_asked_then_the_answer_agrees_with_the_state(
    casino: World, valkey: Valkey, direction: Direction, after_bytes: int
) -> None:
    await pull(casino.engine, await op_made(casino, before_ms=0))
    before = await casino.existing_player(ME)
    async with Proxy(str(valkey.socket_path)) as proxy:
        casino.url = proxy.url
        engine = await casino.another_engine(clock_ms="real")
        await pull(engine, await op_made(casino, before_ms=0), SOMEBODY)
        proxy.disturb(direction, Kind.CUT, after_bytes)
        op_id = await op_made(casino, before_ms=0)
        with pytest.raises(CroupierError, match="OUTCOME_UNKNOWN"):
            await pull(engine, op_id)
        await proxy.server_has_read_all()

        applied = (await casino.existing_player(ME)).nonce > before.nonce
        assert applied == (direction is Direction.REPLIES)
        assert await outcome(casino, op_id) == ("applied" if applied else "not_applied")


async def test_given_a_pull_on_its_way_when_its_time_is_over_then_not_applied_is_said_and_stays_true(
    casino: World, valkey: Valkey
) -> None:
    async with Proxy(str(valkey.socket_path)) as proxy:
        casino.url = proxy.url
        engine = await casino.another_engine(clock_ms="real")
        await pull(engine, await op_made(casino, before_ms=0), SOMEBODY)
        held = proxy.disturb(Direction.REQUESTS, Kind.HOLD, after_bytes=0)
        op_id = await op_made(casino, before_ms=OP_LIFETIME_MS - 500)
        on_its_way = asyncio.create_task(pull(engine, op_id))
        await held.reached.wait()
        async with asyncio.timeout(DEADLINE_S):
            while (said := await outcome(casino, op_id)) == "unknown":
                await asyncio.sleep(0.01)
        assert said == "not_applied"

        held.release()
        with pytest.raises(CroupierError):
            await on_its_way
        # What is sent afterwards on the same connection has its reply after the pull's.
        async with asyncio.timeout(DEADLINE_S):
            while engine.transport.in_flight:
                await asyncio.sleep(0.01)

        assert await casino.player(ME) is None
        assert await outcome(casino, op_id) == "not_applied"
