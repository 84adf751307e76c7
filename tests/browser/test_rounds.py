"""Crash, slot, rock, paper, scissors, and sessions on the play page."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.visit import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def bet(player: Visit, *, auto: str = "") -> None:
    await player.find("#crash-auto").fill(auto)
    await player.button("Place bet").click()


async def ended(player: Visit) -> str:
    """What the page says of the round that is over."""
    await expect(player.find("#crash-stage")).to_have_attribute("data-state", re.compile("paid|crashed"))
    return await player.find("#crash-outcome strong").inner_text()


async def test_given_a_bet_when_cashed_out_then_it_is_paid_and_can_be_verified(visit: Open) -> None:
    player = await visit()
    await player.begin_with_a_round_that_lasts()
    await player.require_live()
    await player.go("crash")
    await bet(player)
    await player.find("#crash-out:focus").click()
    assert (await ended(player)).startswith("Cashed out at 1.")
    await player.button("Verify this round").click()
    verifier = await player.verified()
    await expect(verifier.get_by_role("row", name="Outcome cashed cashed agrees")).to_be_visible()


async def test_given_an_auto_cash_out_when_reached_then_the_server_pays_and_the_page_is_told(
    visit: Open,
) -> None:
    player = await visit()
    await player.begin_with_a_round_that_lasts()
    await player.require_live()
    await player.go("crash")
    await bet(player, auto="1.05")
    await player.picture("crash-running")
    assert (await ended(player)).startswith("1.05× reached. Paid 105 (+5)")
    await expect(player.find("#crash-outcome")).to_contain_text("It would have crashed at")
    tokens = player.ask("/api/wallet")["tokens"]
    await expect(player.find("#tokens")).to_have_text(f"{tokens:,}")
    await player.button("Verify this round").click()
    await player.verified()


async def test_given_a_round_when_the_page_is_loaded_again_then_it_goes_on_and_the_seed_cannot_be_rotated(
    visit: Open,
) -> None:
    player = await visit()
    await player.begin_with_a_round_that_lasts()
    player.expect_refusals(409)
    await player.go("crash")
    await bet(player)
    await expect(player.find("#crash-stage")).to_have_attribute("data-state", "running")
    await player.page.reload()
    await expect(player.button("Cash out")).to_be_visible()
    await player.find("#latest").get_by_role("button", name="Verify").first.click()
    await player.button("Reveal the seed and verify").click()
    await expect(player.find("#verifier .notice")).to_contain_text("A crash round is open")
    await player.button("Close").click()
    await player.button("Cash out").click()
    await ended(player)


async def test_given_a_bet_out_of_range_then_the_page_says_the_range(visit: Open) -> None:
    player = await visit()
    player.expect_refusals(422)
    await player.go("crash")
    await player.find("#crash-bet").fill("5")
    await bet(player)
    await expect(player.find("#crash-error")).to_contain_text("Bets are from 10 to 1,000,000 tokens")


async def test_given_a_spin_then_the_reels_show_what_the_server_said_and_it_can_be_verified(
    visit: Open,
) -> None:
    player = await visit()
    await player.go("slot")
    await player.button("Spin").click()
    await expect(player.button("Verify this spin")).to_be_visible()
    (entry,) = player.ask("/api/games/history")["items"]
    reels = "; ".join(", ".join(reel) for reel in entry["result_meta"]["reels"])
    await expect(player.find("#reels")).to_have_attribute("aria-label", f"Reels, from the top down: {reels}.")
    await player.button("Verify this spin").click()
    await player.verified()


async def test_given_a_game_of_rps_then_it_is_shown_and_can_be_verified(visit: Open) -> None:
    player = await visit()
    await player.go("rps")
    await player.find("#rps-bet").fill("100")
    await player.button("Paper$").click()
    await expect(player.find("#rps-outcome strong")).to_have_text(re.compile("You win|You lose|A draw"))
    await expect(player.find("#duel")).to_contain_text("You: Paper")
    await player.button("Verify this game").click()
    await player.verified()


async def test_given_a_session_when_ended_then_it_sums_up_what_was_played(visit: Open) -> None:
    player = await visit()
    await player.go("sessions")
    card = player.page.get_by_role("article", name="Slot")
    await card.get_by_role("button", name="Start").click()
    await expect(card).to_contain_text("Open since")
    player.ask("/api/games/slot/spin", {"bet_amount": 200})
    await card.get_by_role("button", name="End").click()
    await expect(card).to_contain_text("Bet")
    await expect(card.locator("dd").nth(2)).to_have_text("200")


async def test_given_many_rounds_when_paged_then_each_is_shown_once(visit: Open) -> None:
    player = await visit()
    for _ in range(17):
        player.ask("/api/games/rps/play", {"player_move": "ROCK"})
    await player.go("history")
    await expect(player.find("#history-total")).to_have_text("1 to 15 of 17")
    rows = player.find("#history-rows tr")
    first = await rows.evaluate_all("rows => rows.map((row) => row.dataset.event)")
    await player.button("Older").click()
    await expect(player.find("#history-total")).to_have_text("16 to 17 of 17")
    second = await rows.evaluate_all("rows => rows.map((row) => row.dataset.event)")
    assert len({*first, *second}) == 17
    await player.find("#history-game").select_option("slot")
    await expect(player.find("#history-total")).to_have_text("Nothing played yet")
