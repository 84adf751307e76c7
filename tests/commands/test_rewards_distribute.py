"""`rewards.distribute`: what an admin grants is granted once per key, whoever the player is and whatever came since."""

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from croupier.command import Outcome
from croupier.engine import Engine
from croupier.rewards.distribute import DISTRIBUTE, RewardTerms
from croupier_schemas import keys
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.records import FLAG_BANNED, PLAYER
from croupier_schemas.rewards import RewardsDistribute, RewardsDistributeReply
from tests.commands.economies import main
from tests.commands.world import P, World, caller, encoded

ADMIN = 900
GIFT = RewardsDistribute(1, "TOKENS", 5_000, "Welcome gift", "welcome-1")


async def grant(
    world: World, request: RewardsDistribute = GIFT, *, header: str = "", engine: Engine | None = None
) -> Outcome[RewardsDistributeReply]:
    asked = caller(ADMIN, role="admin", key=header)
    return await (engine or world.engine).execute(DISTRIBUTE, asked, request)


async def ttl_ms(world: World, key: str, uid: int = 1) -> Any:
    return await world.administer("PTTL", keys.idempotency(P, uid, f"rewards.distribute {key}"))


async def test_given_a_player_when_tokens_are_granted_then_balance_reply_and_event_agree(
    world: World,
) -> None:
    await world.put_player(1, tokens=100, gems=7)

    reply = (await grant(world)).reply

    (event,) = await world.events("rewards.granted")
    assert (reply.balance, reply.gems) == (5_100, 7)
    assert (reply.user_id, reply.reward_type, reply.amount, reply.key) == (1, "TOKENS", 5_000, "welcome-1")
    assert (reply.receipt.event_id, reply.receipt.seq) == (str(event.id), event.id.seq)
    player = await world.existing_player(1)
    assert (player.tokens, player.gems) == (5_100, 7)
    image = event.image(keys.player(P, 1))
    assert image is not None and PLAYER.unpack(image).tokens == 5_100
    assert (event.header.uid, event.created, event.result) == (1, False, b"")
    terms = msgspec.msgpack.decode(event.header.terms, type=RewardTerms)
    assert terms == RewardTerms(1, "TOKENS", 5_000, "Welcome gift", ADMIN, "welcome-1")


async def test_given_a_player_when_gems_are_granted_then_only_the_gems_change(world: World) -> None:
    await world.put_player(1, tokens=100, gems=7)

    reply = (await grant(world, replace(GIFT, reward_type="GEMS", amount=3))).reply

    assert (reply.balance, reply.gems) == (100, 10)


async def test_given_a_player_with_a_seed_when_granted_then_seed_nonce_and_rate_log_stay(
    world: World,
) -> None:
    drawn = await world.pull(1)
    before = await world.existing_player(1)

    await grant(world)

    assert await world.existing_player(1) == replace(before, tokens=before.tokens + 5_000)
    assert (await world.pull(1)).receipt.nonce == drawn.receipt.nonce + 1


async def test_given_no_such_player_when_granted_then_refused_and_none_is_made(world: World) -> None:
    error = await world.refused(grant(world))

    assert error.code == "PLAYER_NOT_FOUND"
    assert await world.player(1) is None


async def test_given_a_banned_and_excluded_player_when_granted_then_it_is_granted(world: World) -> None:
    await world.put_player(1, tokens=0, flags=FLAG_BANNED, excluded_until_ms=world.clock.now_ms + 60_000)

    assert (await grant(world)).reply.balance == 5_000


async def test_given_maintenance_when_granted_then_it_is_granted(open_world: Any) -> None:
    world = await open_world(main())
    await world.put_player(1, tokens=0)
    await world.push(replace(main(), maintenance=True))

    assert (await grant(world)).reply.balance == 5_000


# The largest balance.


@pytest.mark.parametrize(
    ("fields", "kind", "fits"),
    [
        ({"tokens": 0}, "TOKENS", BALANCE_MAX),
        ({"tokens": 10}, "TOKENS", BALANCE_MAX - 10),
        ({"tokens": 10, "payout_max": 90}, "TOKENS", BALANCE_MAX - 100),
        ({"tokens": 10, "payout_max": 90, "gems": 3}, "GEMS", BALANCE_MAX - 3),
        ({"tokens": BALANCE_MAX, "gems": 0}, "GEMS", BALANCE_MAX),
    ],
    ids=["empty", "some", "open bet", "gems beside an open bet", "gems of a rich player"],
)
async def test_given_a_balance_when_the_reward_would_exceed_the_cap_then_refused_and_one_less_fits(
    world: World, fields: dict[str, int], kind: Any, fits: int
) -> None:
    await world.put_player(1, **fields)
    before = await world.existing_player(1)
    balance = before.tokens if kind == "TOKENS" else before.gems

    if fits < BALANCE_MAX:
        error = await world.refused(grant(world, RewardsDistribute(1, kind, fits + 1, "x")))
        assert (error.code, error.fields) == ("BALANCE_CAP", {"balance": balance, "max": BALANCE_MAX})
    reply = (await grant(world, RewardsDistribute(1, kind, fits, "x"))).reply

    assert (reply.balance if kind == "TOKENS" else reply.gems) == balance + fits
    assert (await world.refused(grant(world, RewardsDistribute(1, kind, 1, "x")))).code == "BALANCE_CAP"


# Keys.


async def test_given_one_key_when_100_grants_race_then_one_has_an_effect_and_all_replies_are_equal(
    world: World,
) -> None:
    await world.put_player(1, tokens=0)
    workers = [await world.another_engine() for _ in range(4)]

    answers = await asyncio.gather(*(grant(world, engine=workers[i % 4]) for i in range(100)))

    assert len({encoded(answer.reply) for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + 99 * [True]
    assert len(await world.events("rewards.granted")) == 1
    assert (await world.existing_player(1)).tokens == 5_000


async def test_given_a_granted_key_when_the_world_has_changed_then_the_first_answer_comes_again(
    world: World,
) -> None:
    await world.put_player(1, tokens=0)
    first = await grant(world)
    await world.push(main(daily_limit=7))
    await world.change_player(1, tokens=BALANCE_MAX, flags=FLAG_BANNED)
    world.clock.now_ms += 400 * 86_400_000
    before = await world.dump()

    again = await grant(world)

    assert again.replayed and encoded(again.reply) == encoded(first.reply)
    assert await world.dump() == before


async def test_given_a_granted_key_when_looked_at_then_redis_keeps_it_without_end(world: World) -> None:
    await world.put_player(1)
    await grant(world)

    assert await ttl_ms(world, "welcome-1") == -1


@pytest.mark.parametrize(
    "change",
    [{"amount": 5_001}, {"reward_type": "GEMS"}, {"source_description": "Another gift"}],
    ids=["amount", "type", "source"],
)
async def test_given_a_granted_key_when_another_reward_is_asked_for_under_it_then_refused(
    world: World, change: dict[str, Any]
) -> None:
    await world.put_player(1)
    await grant(world)

    error = await world.refused(grant(world, replace(GIFT, **change)))

    assert error.code == "IDEMPOTENCY_KEY_REUSED"


async def test_given_a_granted_key_when_used_for_another_player_then_it_is_another_key(world: World) -> None:
    await world.put_player(1, tokens=0)
    await world.put_player(2, tokens=0)
    await grant(world)

    other = await grant(world, replace(GIFT, user_id=2))

    assert not other.replayed and other.reply.balance == 5_000


async def test_given_only_the_header_when_repeated_then_it_is_the_key_and_stays_without_end(
    world: World,
) -> None:
    await world.put_player(1, tokens=0)
    unkeyed = replace(GIFT, key=None)

    first = await grant(world, unkeyed, header="from-header")
    again = await grant(world, unkeyed, header="from-header")

    assert again.replayed and encoded(again.reply) == encoded(first.reply)
    assert first.reply.key == "from-header"
    assert await ttl_ms(world, "from-header") == -1


async def test_given_key_and_header_when_granted_then_the_key_of_the_request_is_what_counts(
    world: World,
) -> None:
    await world.put_player(1, tokens=0)
    first = await grant(world, header="a")

    assert (await grant(world, header="b")).replayed
    assert first.reply.key == "welcome-1"
    assert not (await grant(world, replace(GIFT, key="welcome-2"), header="a")).replayed


async def test_given_a_key_when_a_player_uses_the_same_one_then_they_do_not_meet(world: World) -> None:
    await world.pull(1, key="welcome-1")

    assert not (await grant(world)).replayed
    assert (await world.pull_twice(1, key="welcome-1"))[1]


async def test_given_no_key_at_all_when_repeated_then_each_is_a_grant_and_nothing_is_kept(
    world: World,
) -> None:
    await world.put_player(1, tokens=0)

    for expected in (5_000, 10_000):
        reply = (await grant(world, replace(GIFT, key=None))).reply
        assert (reply.balance, reply.key) == (expected, None)

    assert await world.administer("KEYS", "*idem*") == []


async def test_given_a_refused_grant_when_its_cause_is_gone_then_the_same_key_grants(world: World) -> None:
    assert (await world.refused(grant(world))).code == "PLAYER_NOT_FOUND"
    await world.put_player(1, tokens=0)

    assert not (await grant(world)).replayed


async def test_given_epoch_2_when_granted_then_the_nonces_of_epoch_1_cannot_come_again(world: World) -> None:
    await world.put_player(1, nonce=5)
    await world.shut()
    await world.open(epoch=2)

    await grant(world)

    assert (await world.existing_player(1)).nonce == 1_000_000_000
