"""`gacha.pull` and the fence: a stale view of server, economy or scripts changes not one byte."""

import asyncio
from typing import Any

import pytest

import croupier_lua
from croupier.economy import version
from croupier.engine import Engine
from croupier.partition import fence
from croupier_schemas import keys
from croupier_schemas.gacha import GachaPullReply
from tests.commands.conftest import OpenWorld
from tests.commands.economies import certain, main
from tests.commands.world import P, World


def only(rarity: str, item: str) -> Any:
    """An economy whose every draw is this item."""
    items = {"Common": [{"id": "chip"}]} | {rarity: [{"id": item}]}
    return main(weights_ppm=certain(rarity), items=items)


async def learned(world: World) -> Engine:
    """An engine in another process that has pulled once, so that it has a view."""
    engine = await world.another_engine()
    await world.pull(99, engine=engine)
    return engine


async def new_economy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.push(only("Epic", "new"))


async def new_epoch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.shut()
    await world.open(epoch=2)


async def new_script_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(croupier_lua, "RULES", croupier_lua.RULES + 1)
        await world.shut()
        await world.open(epoch=1)


async def other_identity(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.shut()
    await world.open(epoch=1, identity="another-run:another-replication-id")


async def closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.shut()


EVERY_CHANGE = [new_economy, new_epoch, new_script_version, other_identity, closed]


@pytest.mark.parametrize("change", EVERY_CHANGE)
@pytest.mark.parametrize("uid", [99, 1], ids=["known player", "new player"])
async def test_given_a_stale_fence_when_the_script_runs_then_not_one_byte_changes(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Any, uid: int
) -> None:
    await learned(world)
    stale = (await world.head()).fence
    await change(world, monkeypatch)
    before = await world.dump()

    answer = await world.run_pull_script(uid, fence=stale)

    assert answer == [b"FENCED"]
    assert await world.dump() == before


@pytest.mark.parametrize("change", EVERY_CHANGE)
async def test_given_a_stale_fence_when_the_script_would_refuse_then_it_says_fenced_instead(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    stale = (await world.head()).fence
    await change(world, monkeypatch)
    before = await world.dump()

    answer = await world.run_pull_script(1, fence=stale, daily_limit=0)

    assert answer == [b"FENCED"]
    assert await world.dump() == before


@pytest.mark.parametrize("change", [new_economy, new_epoch])
async def test_given_an_engine_with_a_stale_view_when_it_may_go_on_then_it_reads_the_head_and_repeats_once(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    engine = await learned(world)
    await change(world, monkeypatch)
    events = len(await world.events())

    reply = await world.pull(99, engine=engine)

    assert reply.receipt.economy == version(world.economy)
    assert len(await world.events()) == events + 1
    assert (await world.existing_player(99)).pulls == 2


@pytest.mark.parametrize("change", [new_script_version, other_identity, closed])
async def test_given_an_engine_with_a_stale_view_when_it_must_not_go_on_then_nothing_changes_until_it_may(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    engine = await learned(world)
    await change(world, monkeypatch)

    for _ in range(2):
        error = await world.refused(world.pull(99, engine=engine))
        assert error.code == "NOT_READY" and error.retry_after_s

    if change is new_script_version:
        return  # older code has nothing to wait for
    if change is other_identity:
        await world.shut()
    await world.open(epoch=2)
    await world.pull(99, engine=engine)


async def test_given_a_stale_view_when_a_request_is_refused_then_it_is_by_the_economy_in_force(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(cost_tokens={"one": 200_000, "ten": 0}))
    engine = await learned_by_refusal(world)
    await world.push(main())

    await world.pull(1, engine=engine)  # affordable now


async def learned_by_refusal(world: World) -> Engine:
    engine = await world.another_engine()
    assert (await world.refused(world.pull(1, engine=engine))).code == "INSUFFICIENT_BALANCE"
    return engine


async def test_given_a_head_whose_fence_is_not_its_own_when_pulled_then_nothing_is_done(world: World) -> None:
    head = await world.head()
    forged = fence(head.identity, head.epoch + 1, head.economy, head.schema)
    await world.transport.call("HSET", keys.head(P), "fence", forged)
    await world.transport.call("RENAME", keys.outbox(P, head.fence), keys.outbox(P, forged))

    error = await world.refused(world.pull(1))

    assert error.code == "NOT_READY"


async def test_given_an_economy_lost_after_the_head_was_read_when_pulled_then_it_may_be_tried_again(
    world: World,
) -> None:
    await world.transport.call("DEL", keys.economy(P, (await world.head()).economy))

    error = await world.refused(world.pull(1, engine=await world.another_engine()))

    assert error.code == "NOT_READY"


async def test_given_200_pulls_in_flight_when_economies_are_pushed_then_each_receipt_names_the_table_it_used(
    open_world: OpenWorld,
) -> None:
    economies = [only("Common", "old"), only("Epic", "middle"), only("Legendary", "new")]
    item_of = dict(zip(map(version, economies), ("old", "middle", "new"), strict=True))
    world = await open_world(economies[0])
    workers = [await world.another_engine() for _ in range(4)]
    replies: list[GachaPullReply] = []
    used = {each: asyncio.Event() for each in item_of}
    halfway, over = asyncio.Event(), asyncio.Event()

    async def play(uid: int) -> None:
        pulls = 0
        while pulls < 10 or not over.is_set():
            reply = await world.pull(uid, 10, engine=workers[uid % 4])
            replies.append(reply)
            pulls += 1
            used[reply.receipt.economy].set()
            if len(replies) == 100:
                halfway.set()

    async def push() -> None:
        await halfway.wait()
        for pushed in economies[1:]:
            await used[await world.push(pushed)].wait()
        over.set()

    await asyncio.gather(push(), *(play(1 + i % 7) for i in range(20)))

    assert len(replies) >= 200
    for reply in replies:
        assert {item.item_id for item in reply.items} == {item_of[reply.receipt.economy]}
    assert {reply.receipt.economy for reply in replies} == set(item_of)
    # In the log, every pull after an `economy.changed` was made under it.
    in_force = ""
    for event in await world.events():
        if event.header.type == "economy.changed":
            in_force = event.header.economy.hex()
        elif event.header.type == "gacha.pulled":
            assert event.header.economy.hex() == in_force
