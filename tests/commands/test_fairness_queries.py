"""The queries of fairness: the commitment before, the receipt after."""

import datetime
import json

import msgspec
import pytest

from croupier.economy import version
from croupier.errors import CroupierError
from croupier.fairness.queries import FAIRNESS, RECEIPT, ReceiptParams
from croupier_schemas.fairness import GachaReceipt, ReceiptReply
from tests.commands.conftest import OpenWorld
from tests.commands.economies import certain, main
from tests.commands.world import MASTER_KEY, World, caller, encoded
from tests.model.fairness import server_seed


async def receipt(world: World, event_id: str, uid: int = 1, role: str = "user") -> GachaReceipt:
    reply: GachaReceipt = await world.ask(RECEIPT, caller(uid, role=role), ReceiptParams(event_id))
    return reply


async def not_found(world: World, event_id: str, uid: int = 1) -> None:
    with pytest.raises(CroupierError) as refused:
        await receipt(world, event_id, uid)
    assert refused.value.code == "RECEIPT_NOT_FOUND"


async def test_given_a_new_player_when_its_commitment_is_asked_for_then_its_first_pull_is_bound_by_it(
    world: World,
) -> None:
    before = await world.ask(FAIRNESS, caller(1))
    assert await world.player(1) is None

    reply = await world.pull(1)

    assert (before.client_seed, before.generation) == ("1", 1)
    assert before.next_nonce == reply.receipt.nonce
    assert before.commitment == reply.receipt.commitment
    assert (await world.rotate(1)).revealed.commitment == before.commitment


async def test_given_pulls_and_rotations_when_fairness_is_asked_for_then_it_foretells_the_next_receipt(
    world: World,
) -> None:
    for client_seed in ("a", None, "b"):
        await world.pull(1, 10)
        await world.rotate(1, client_seed)
        foretold = await world.ask(FAIRNESS, caller(1))
        reply = await world.pull(1)
        assert (foretold.next_nonce, foretold.commitment) == (
            reply.receipt.nonce,
            reply.receipt.commitment,
        )
        assert foretold.client_seed == (client_seed or "a")


async def test_given_a_pull_when_its_receipt_is_asked_for_then_it_has_all_but_the_live_seed(
    open_world: OpenWorld,
) -> None:
    world = await open_world(main(weights_ppm=certain("Epic"), stock={"Epic": 7}))
    await world.put_player(1, nonce=8)
    await world.put_gacha(1, since_legendary=4, since_epic=2, guaranteed=1)
    reply = await world.pull(1)

    found = await receipt(world, reply.receipt.event_id)

    assert (found.event_id, found.seq) == (reply.receipt.event_id, reply.receipt.seq)
    assert (found.economy, found.nonce) == (version(world.economy), 9)
    assert found.commitment == reply.receipt.commitment
    assert found.time == datetime.datetime.fromtimestamp(world.clock.now_ms / 1000, datetime.UTC)
    assert (found.banner, found.table) == ("main", world.economy.gacha.banners["main"])
    assert (found.client_seed, found.server_seed, found.rules) == ("1", None, 1)
    before = found.state_before
    assert (before.Legendary, before.Epic, before.Rare, before.guaranteed) == (4, 2, 0, True)
    (draw,) = found.draws
    assert (draw.rarity, draw.item_id, draw.stock_seen) == ("Epic", reply.items[0].item_id, 7)


async def test_given_a_receipt_when_the_seed_is_rotated_then_it_shows_that_seed_and_later_ones_do_not(
    world: World,
) -> None:
    first = await world.pull(1)
    await world.rotate(1)
    second = await world.pull(1)

    assert (await receipt(world, first.receipt.event_id)).server_seed == server_seed(MASTER_KEY, 1, 1)
    assert (await receipt(world, second.receipt.event_id)).server_seed is None
    await world.rotate(1)
    assert (await receipt(world, second.receipt.event_id)).server_seed == server_seed(MASTER_KEY, 1, 2)
    assert (await receipt(world, first.receipt.event_id)).server_seed == server_seed(MASTER_KEY, 1, 1)


async def test_given_a_rotation_of_another_player_when_a_receipt_is_asked_for_then_its_seed_stays_hidden(
    world: World,
) -> None:
    mine = await world.pull(1)
    await world.pull(2)
    await world.rotate(2)

    assert (await receipt(world, mine.receipt.event_id)).server_seed is None


async def test_given_a_past_economy_when_a_receipt_is_asked_for_then_it_has_the_table_of_then(
    world: World,
) -> None:
    past = world.economy
    reply = await world.pull(1)
    await world.push(main(weights_ppm=certain("Rare")))
    await world.pull(1)

    found = await receipt(world, reply.receipt.event_id)

    assert found.table == past.gacha.banners["main"]
    assert found.economy == version(past)


async def test_given_anothers_receipt_when_asked_for_then_only_an_admin_sees_it(world: World) -> None:
    reply = await world.pull(2)

    await not_found(world, reply.receipt.event_id, uid=1)
    assert (await receipt(world, reply.receipt.event_id, uid=1, role="admin")).nonce == 1


async def test_given_events_that_are_no_draw_when_their_receipt_is_asked_for_then_there_is_none(
    world: World,
) -> None:
    rotated = await world.rotate(1)

    await not_found(world, rotated.receipt.event_id)
    await not_found(world, "0-1-0", uid=0)
    await not_found(world, "0-1-1", uid=0)


@pytest.mark.parametrize(
    "event_id",
    [
        "0-1-99", "0-2-2", "0-9007199254740991-9007199254740991",
        "", "-", "0-1", "0-1-2-3", "0-1--2", "0-1-x", "0-1-2 ", " 0-1-2", "0-1-²", "+0-1-2", "0-1-1e1",
        "0-1-9007199254740992", "0-1-99999999999999999999", "٠-١-٢", "0-1-2\n", "0-1-*", "a" * 64,
    ],
)  # fmt: skip
async def test_given_a_bad_or_unknown_id_when_its_receipt_is_asked_for_then_it_is_not_found(
    world: World, event_id: str
) -> None:
    await world.pull(1)

    await not_found(world, event_id)


async def test_given_a_receipt_when_it_is_sent_as_json_then_it_reads_back_as_the_same(world: World) -> None:
    reply = await world.pull(1, 10)
    found = await receipt(world, reply.receipt.event_id)

    assert msgspec.json.decode(encoded(found), type=ReceiptReply) == found
    assert json.loads(encoded(found))["time"].endswith("Z")
