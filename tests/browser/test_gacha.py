"""The gacha on the play page, from the link to the history."""

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from croupier_cli.data_directory import read_secrets
from tests.browser.conftest import PREMIUM_PER_MINUTE, Open
from tests.browser.visit import token_for
from tests.cli.support import Up

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_given_the_link_with_a_token_when_opened_then_the_address_bar_and_the_history_are_rid_of_it(
    visit: Open, installation: Up
) -> None:
    player = await visit()
    await player.require_live()
    assert player.page.url.endswith("/play")
    assert await player.page.evaluate("history.length") == 2  # about:blank and the page
    assert player.token not in installation.said()
    await player.page.reload()
    await player.require_live()
    await expect(player.find("#tokens")).to_have_text("100,000")


async def test_given_a_link_of_another_player_when_opened_in_the_tab_then_the_page_asks_first(
    visit: Open,
) -> None:
    player, other = await visit(), await visit("/health")
    await expect(player.find("#who")).to_have_text(f"Player {player.user}")
    await player.require_live()
    address = f"{player.page.url}#token={other.token}"
    for leave_first in (False, True):
        if leave_first:
            await player.page.goto("about:blank")
        await player.page.goto(address)
        await expect(player.find("#offer")).to_contain_text(f"signed in as player {player.user}")
        await expect(player.find("#who")).to_have_text(f"Player {player.user}")
        assert other.token not in player.page.url
        await player.require_accessible()
        if not leave_first:
            await player.button(f"Stay player {player.user}").click()
            await expect(player.find("#offer")).to_be_hidden()
            await expect(player.find("#who")).to_have_text(f"Player {player.user}")
    await player.picture("another-players-link")
    await player.button(f"Change to player {other.user}").click()
    await expect(player.find("#who")).to_have_text(f"Player {other.user}")
    await player.require_live()


async def test_given_a_newer_token_of_the_same_player_when_the_link_is_opened_then_it_is_taken_without_asking(
    visit: Open, installation: Up
) -> None:
    player = await visit()
    await player.go("slot")
    secret = read_secrets(Path(installation.ready["data_dir"]))["JWT_SECRET_KEY"]
    newer = token_for(installation, secret, player.user)
    async with player.page.expect_event("load"):
        await player.page.goto(f"{player.page.url.partition('#')[0]}#token={newer}")
    await expect(player.find("#slot-title")).to_be_visible()
    assert newer not in player.page.url
    kept = await player.page.evaluate("sessionStorage.getItem('croupier.token.play')")
    assert kept == newer
    await expect(player.find("#offer")).to_be_hidden()


async def test_given_no_token_when_the_page_is_opened_then_one_can_be_pasted(visit: Open) -> None:
    player = await visit()
    await player.button("Sign out").click()
    await expect(player.find("#signin")).to_be_visible()
    await expect(player.find("#games")).to_be_hidden()
    await player.find("#signin-token").fill(player.token)
    await player.button("Sign in").click()
    await player.require_live()


async def test_given_an_expired_token_when_the_page_is_opened_then_it_says_so(visit: Open) -> None:
    player = await visit()
    player.expect_refusals(401)
    await player.page.evaluate("sessionStorage.setItem('croupier.token.play', 'a.b.c')")
    await player.page.reload()
    await expect(player.find("#signin-why")).to_contain_text("expired")


async def test_given_a_pull_then_balance_and_pity_follow_and_it_is_in_the_history(visit: Open) -> None:
    player = await visit()
    await player.require_live()
    await player.button("Pull · 5,000 tokens").click()
    await expect(player.find(".card")).to_have_count(1)
    await expect(player.find("#tokens")).to_have_text("95,000")
    await expect(player.find("#daily")).to_have_text("4 pulls left today")
    await expect(player.find("#pity")).to_contain_text("certain within 89 draws")
    item = await player.find(".card .item").inner_text()
    await expect(player.find("#latest li")).to_contain_text(item)

    await player.go("history")
    (entry,) = player.ask("/api/games/history")["items"]
    row = player.find(f'#history-rows tr[data-event="{entry["event_id"]}"]')
    await expect(row).to_contain_text(item)
    await expect(row).to_contain_text("−5,000")
    await expect(player.find("#history-total")).to_have_text("1 to 1 of 1")


async def test_given_a_pull_of_ten_when_verified_then_the_browser_recomputes_every_draw(visit: Open) -> None:
    player = await visit()
    await player.button("Pull ten").click()
    await expect(player.find(".card")).to_have_count(10)
    rarities = await player.find(".card .rarity").all_inner_texts()
    items = await player.find(".card .item").all_inner_texts()
    await player.picture("gacha-ten")

    await player.button("Verify this draw").click()
    verifier = await player.verified()
    await expect(verifier).to_contain_text("This browser noted it on")
    rows = verifier.get_by_role("region", name="Every draw, recomputed").locator("tbody tr")
    await expect(rows).to_have_count(10)
    for place, row in enumerate(await rows.all()):
        cells = await row.locator("td").all_inner_texts()
        assert (cells[7], cells[9], cells[10]) == (rarities[place], items[place], "agrees")
    await player.picture("verified")


async def test_given_more_pulls_than_a_day_has_then_the_page_says_when_the_next_one_begins(
    visit: Open,
) -> None:
    player = await visit(claims={"tier": "STANDARD"})
    player.expect_refusals(429)
    for left in ("2 pulls", "1 pull", "0 pulls"):
        await player.button("Pull · ").click()
        await expect(player.find("#daily")).to_have_text(f"{left} left today")
    await player.button("Pull · ").click()
    await expect(player.find("#gacha-error")).to_have_text(
        re.compile("You have used all 3 pulls of today. The next day begins .*20[0-9]{2}, [0-9]{2}:00")
    )


async def test_given_too_little_when_pulled_then_the_page_says_what_is_missing(visit: Open) -> None:
    player = await visit()
    player.expect_refusals(409)
    for left in ("50,000", "0"):
        await player.button("Pull ten").click()
        await expect(player.find("#tokens")).to_have_text(left)
    await player.button("Pull ten").click()
    await expect(player.find("#gacha-error")).to_contain_text("this needs 50,000, and you have 0")
    await expect(player.button("Pull ten")).to_be_enabled()


async def test_given_the_rate_limit_when_met_then_a_countdown_runs_and_the_button_waits(visit: Open) -> None:
    player = await visit(claims={"tier": "PREMIUM"})
    player.expect_refusals(429)
    await player.go("rps")
    for _ in range(PREMIUM_PER_MINUTE):
        player.ask("/api/games/rps/play", {"player_move": "ROCK"})
    await player.button("Rock$").click()
    await expect(player.find("#rps-error .countdown")).to_have_text(re.compile(r"Ready in \d+ s\."))
    await expect(player.button("Rock$")).to_have_attribute("aria-disabled", "true")


async def test_given_the_odds_when_opened_then_they_are_those_that_the_server_discloses(visit: Open) -> None:
    player = await visit()
    await player.page.get_by_role("radio", name="Spotlight").check()
    await player.find("#odds > summary").click()
    odds = player.ask("/api/games/gacha/odds?banner=spotlight")["odds"]
    rows = player.page.get_by_role("region", name="Chance of each item").locator("tbody tr")
    expected = [item for rarity in odds["rarities"] for item in rarity["items"]]
    await expect(rows).to_have_count(len(expected))
    for row, item in zip(await rows.all(), expected, strict=True):
        exact = item["probability"]
        await expect(row).to_contain_text(f"{exact['percent']} %")
        await expect(row).to_contain_text(f"{exact['numerator']:,} / {exact['denominator']:,}")
    await expect(player.find("#odds")).to_contain_text("Rising chance of Legendary, from draw 74")
    await expect(player.find("#odds")).to_contain_text("featured")
    await expect(player.find("#odds .muted").last).to_contain_text(
        re.compile(r"Version .* in force on .*20\d\d")
    )


async def test_given_any_banner_before_a_pull_then_chances_price_and_rules_are_told_in_words(
    visit: Open,
) -> None:
    player = await visit()
    for banner in player.ask("/api/games/gacha/banners")["items"]:
        await player.page.get_by_role("radio", name=banner["name"].title()).check()
        odds = player.ask(f"/api/games/gacha/odds?banner={banner['name']}")["odds"]
        for each in odds["rarities"]:
            chance = f"{each['rarity']} {each['probability']['percent']} %"
            await expect(player.find("#chances")).to_contain_text(chance)
        await player.button("All odds").click()
        await expect(player.find("#odds-summary")).to_be_focused()
        said = player.find("#odds-body > .rules")
        prices = [f"{banner['cost_tokens']['one']:,} tokens", f"{banner['cost_tokens']['ten']:,} tokens"]
        if banner["cost_gems"]:
            prices += [f"{banner['cost_gems']['one']:,} gems", f"{banner['cost_gems']['ten']:,} gems"]
        for price in prices:
            await expect(said).to_contain_text(price)
        for each in odds["rarities"]:
            if each["hard_pity"]:
                await expect(said).to_contain_text(
                    f"After {each['hard_pity'] - 1} draws without {each['rarity']}, the next draw is"
                )
            if each["soft_pity"]:
                await expect(said).to_contain_text(f"From draw {each['soft_pity']['from_draw']} without")
            if each["initial_stock"] is not None:
                await expect(said).to_contain_text(f"{each['rarity']} is limited")
        if odds["guarantee"]:
            await expect(said).to_contain_text("is a featured one for certain")


async def test_given_a_stock_when_its_banner_is_shown_then_what_is_left_is_disclosed(visit: Open) -> None:
    player = await visit()
    await player.page.get_by_role("radio", name="Festival").check()
    await player.find("#odds > summary").click()
    left = player.ask("/api/games/gacha/odds?banner=festival")["remaining_stock"]["Epic"]
    await expect(player.page.get_by_role("region", name="Chance of each rarity")).to_contain_text(str(left))


async def test_given_only_a_keyboard_when_pulled_then_it_works_and_the_focus_is_seen(visit: Open) -> None:
    player = await visit()
    await player.require_live()
    keyboard = player.page.keyboard
    await keyboard.press("Tab")
    await expect(player.page.get_by_role("link", name="Skip to the game")).to_be_focused()
    await keyboard.press("Enter")
    await keyboard.press("Tab")
    await expect(player.page.get_by_role("radio", name="Standard")).to_be_focused()
    await keyboard.press("ArrowUp")
    await expect(player.page.get_by_role("radio", name="Spotlight")).to_be_checked()
    await keyboard.press("Tab")
    await expect(player.find("#pull-1")).to_be_focused()
    assert await player.find("#pull-1").evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    await keyboard.press("Enter")
    await expect(player.find(".card")).to_have_count(1)
    await expect(player.find("#announcer")).to_contain_text("It cost 5,000")

    await player.button("Verify this draw").focus()
    await keyboard.press("Enter")
    await expect(player.find("#verifier .verdict")).to_be_visible()
    await keyboard.press("Escape")
    await expect(player.find("#verifier")).to_be_hidden()
    await expect(player.button("Verify this draw")).to_be_focused()
