"""Receipts of spins, of rock, paper, scissors, and of crash: what they say, and what they must not."""

import datetime
import json

import pytest

from croupier.economy import version
from croupier.errors import CroupierError
from croupier.fairness.queries import RECEIPT, ReceiptParams
from croupier.fairness.verify import verify_receipt
from croupier_schemas.fairness import (
    CrashBetReceipt,
    CrashSettledReceipt,
    ReceiptReply,
    RpsReceipt,
    SlotReceipt,
)
from tests.commands.bets import play, spin
from tests.commands.conftest import OpenWorld
from tests.commands.crash_rounds import (
    bet,
    cash_out,
    crash_economy,
    crash_point,
    ms_until,
    player_who_crashes,
    settle,
)
from tests.commands.known_rolls import rolls_of
from tests.commands.world import MASTER_KEY, World, caller, encoded
from tests.model import rps
from tests.model.fairness import server_seed


async def receipt(world: World, event_id: str, uid: int = 1, role: str = "user") -> ReceiptReply:
    reply: ReceiptReply = await world.ask(RECEIPT, caller(uid, role=role), ReceiptParams(event_id))
    return reply


async def last_receipt(world: World, uid: int) -> ReceiptReply:
    """That of the newest event."""
    return await receipt(world, str((await world.events())[-1].id), uid)


def assert_common(found: ReceiptReply, world: World, nonce: int, uid: int) -> None:
    assert found.economy == version(world.economy)
    assert (found.nonce, found.client_seed, found.rules, found.server_seed) == (nonce, str(uid), 1, None)
    assert found.time == datetime.datetime.fromtimestamp(world.clock.now_ms / 1000, datetime.UTC)


async def test_given_a_spin_when_its_receipt_is_asked_for_then_it_says_what_the_reply_said(
    world: World,
) -> None:
    reply = await spin(world, 1, 300)

    found = await receipt(world, reply.receipt.event_id)

    assert isinstance(found, SlotReceipt)
    assert_common(found, world, 1, 1)
    assert found.commitment == reply.receipt.commitment
    assert (found.bet, found.lines, found.payout) == (300, reply.lines, reply.payout)
    assert found.table == world.economy.slot
    shown = [
        [strip[(stop + row) % len(strip)] for row in range(3)]
        for strip, stop in zip(found.table.reels, found.stops, strict=True)
    ]
    assert [list(column) for column in reply.reels] == shown


async def test_given_a_game_of_rps_when_its_receipt_is_asked_for_then_it_says_what_the_reply_said(
    world: World,
) -> None:
    reply = await play(world, 1, 77, move="PAPER")

    found = await receipt(world, reply.receipt.event_id)

    assert isinstance(found, RpsReceipt)
    assert_common(found, world, 1, 1)
    assert (found.bet, found.player_move, found.deterministic) == (77, "PAPER", False)
    assert (found.server_move, found.outcome, found.payout) == (
        reply.server_move, reply.outcome, reply.payout,
    )  # fmt: skip
    assert rps.play("PAPER", 77, found.table.win_percent, rolls_of(1, 1, 1)[0])[:3] == (
        reply.server_move, reply.outcome, reply.payout,
    )  # fmt: skip


async def test_given_an_open_bet_when_its_receipt_is_asked_for_then_nothing_tells_where_it_crashes(
    open_world: OpenWorld,
) -> None:
    """The server seed would tell. Only a rotation reveals it, and that is refused while the bet is open."""
    world = await open_world(crash_economy())
    uid = player_who_crashes(12_345, 20_000)
    reply = await bet(world, uid, 137, 400.0)
    with pytest.raises(CroupierError) as refused:
        await world.rotate(uid)

    for role, asking in (("user", uid), ("admin", 999_999)):
        found = await receipt(world, reply.receipt.event_id, asking, role)
        assert isinstance(found, CrashBetReceipt)
        assert_common(found, world, 1, uid)
        assert (found.game_id, found.started_at_ms) == (reply.game_id, reply.started_at_ms)
        assert (found.bet, found.target_m100, found.cap_m100, found.growth_ppm) == (
            137,
            40_000,
            100_000,
            60_000,
        )
        assert set(json.loads(encoded(found))) == {
            "event_id", "seq", "time", "type", "economy", "rules", "server_seed", "commitment", "client_seed", "nonce",
            "game_id", "bet", "target_m100", "cap_m100", "growth_ppm", "started_at_ms",
        }  # fmt: skip
    assert refused.value.code == "CRASH_BET_ACTIVE"
    events = await world.events()
    assert [event.header.type for event in events if event.header.uid] == ["crash.bet_placed"]


async def test_given_a_bet_when_its_round_is_over_and_the_seed_rotated_then_its_receipt_reveals_the_seed(
    open_world: OpenWorld,
) -> None:
    world = await open_world(crash_economy())
    uid = player_who_crashes(300, 500)
    reply = await bet(world, uid)
    await cash_out(world, uid, reply.game_id)
    assert (await receipt(world, reply.receipt.event_id, uid)).server_seed is None
    await world.rotate(uid)

    found = await receipt(world, reply.receipt.event_id, uid)

    assert found.server_seed == server_seed(MASTER_KEY, uid, 1)
    assert verify_receipt(found) == []


async def test_given_a_cash_out_after_other_games_when_its_receipt_is_asked_for_then_it_has_the_nonce_of_the_bet(
    open_world: OpenWorld,
) -> None:
    world = await open_world(crash_economy())
    uid = player_who_crashes(300, 500, nonce=2)
    await play(world, uid, 0)
    started = await bet(world, uid, 137)
    await spin(world, uid)
    world.clock.now_ms += ms_until(200)
    reply = await cash_out(world, uid, started.game_id)
    assert reply.receipt is not None

    found = await receipt(world, reply.receipt.event_id, uid)

    assert isinstance(found, CrashSettledReceipt)
    assert_common(found, world, 2, uid)
    assert (found.game_id, found.bet, found.target_m100) == (started.game_id, 137, 100_000)
    assert (found.outcome, found.paid_m100, found.payout) == ("cashed", 200, 274)
    assert (found.started_at_ms, found.elapsed_ms) == (started.started_at_ms, ms_until(200))
    assert found.crash_m100 is None
    await world.rotate(uid)
    revealed = await receipt(world, reply.receipt.event_id, uid)
    assert isinstance(revealed, CrashSettledReceipt) and revealed.crash_m100 == crash_point(uid, 2)
    assert verify_receipt(revealed) == []


@pytest.mark.parametrize(
    ("crashes", "outcome", "paid"), [((150, 180), "crashed", None), ((300, 500), "auto", 237)]
)
async def test_given_a_round_that_the_server_settles_when_its_receipt_is_asked_for_then_it_says_how_it_ended(
    open_world: OpenWorld, crashes: tuple[int, int], outcome: str, paid: int | None
) -> None:
    world = await open_world(crash_economy())
    uid = player_who_crashes(*crashes)
    started = await bet(world, uid, 100, 2.37)
    world.clock.now_ms += ms_until(600)
    assert await settle(world, uid, started.game_id)

    found = await last_receipt(world, uid)

    assert isinstance(found, CrashSettledReceipt)
    assert (found.outcome, found.paid_m100, found.payout) == (outcome, paid, paid or 0)
    assert (found.crash_m100, found.target_m100) == (crash_point(uid), 237)


async def test_given_a_past_economy_when_receipts_are_asked_for_then_they_have_the_tables_of_then(
    open_world: OpenWorld,
) -> None:
    past = crash_economy(growth_ppm=100_000)
    world = await open_world(past)
    uid = player_who_crashes(300, 500, nonce=3)
    events = [(await spin(world, uid)).receipt.event_id, (await play(world, uid)).receipt.event_id]
    started = await bet(world, uid)
    now = crash_economy(growth_ppm=50_000, max_multiplier=2)
    await world.push(now)
    world.clock.now_ms += 1_000
    await cash_out(world, uid, started.game_id)

    spun, played = [await receipt(world, event_id, uid) for event_id in events]
    settled = await last_receipt(world, uid)

    assert isinstance(spun, SlotReceipt) and spun.table == past.slot and spun.economy == version(past)
    assert isinstance(played, RpsReceipt) and played.table == past.rps and played.economy == version(past)
    assert isinstance(settled, CrashSettledReceipt) and settled.economy == version(now)
    assert (settled.growth_ppm, settled.cap_m100, settled.paid_m100) == (100_000, 100_000, 110)


async def test_given_anothers_round_when_its_receipt_is_asked_for_then_only_an_admin_sees_it(
    world: World,
) -> None:
    played = [(await spin(world, 2)).receipt, (await play(world, 2)).receipt, (await bet(world, 2)).receipt]

    for each in played:
        with pytest.raises(CroupierError) as refused:
            await receipt(world, each.event_id, uid=1)
        assert refused.value.code == "RECEIPT_NOT_FOUND"
        assert (await receipt(world, each.event_id, uid=1, role="admin")).nonce == each.nonce
