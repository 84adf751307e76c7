"""Verifying on the play page: what was tampered with is found out, and seeds can be changed."""

import json

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Open

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("member", "value"), [("nonce", 2), ("client_seed", "another"), ("commitment", "0" * 64)]
)
async def test_given_a_receipt_that_was_tampered_with_when_verified_then_the_page_says_so(
    visit: Open, member: str, value: object
) -> None:
    player = await visit()

    async def tamper(route: Route) -> None:
        reply = await route.fetch()
        await route.fulfill(response=reply, json={**await reply.json(), member: value})

    player.ask("/api/games/gacha/pull", {"count": 10})
    player.ask("/api/fairness/rotate", {})
    await player.page.route("**/api/fairness/receipts/*", tamper)
    await player.find("#latest").get_by_role("button", name="Verify").first.click()
    verdict = player.find("#verifier [data-verdict]")
    await expect(verdict).to_have_attribute("data-verdict", "wrong")
    await expect(verdict).to_contain_text("Not verified")


async def test_given_a_table_that_was_never_disclosed_when_verified_then_the_page_says_so(
    visit: Open,
) -> None:
    player = await visit()

    async def favour(route: Route) -> None:
        reply = await route.fetch()
        odds = await reply.json()
        odds["odds"]["near_miss_ppm"] += 1
        await route.fulfill(response=reply, body=json.dumps(odds))

    player.ask("/api/games/gacha/pull", {"count": 1})
    player.ask("/api/fairness/rotate", {})
    await player.page.route("**/api/games/gacha/odds?economy=*", favour)
    await player.find("#latest").get_by_role("button", name="Verify").first.click()
    await expect(player.find("#verifier [data-verdict]")).to_contain_text("not the one disclosed")


async def test_given_a_seed_of_the_players_own_when_rotated_then_the_next_commitment_is_with_it(
    visit: Open,
) -> None:
    player = await visit()
    await player.go("fairness")
    before = player.ask("/api/fairness")["commitment"]
    await expect(player.find("#fairness-facts")).to_contain_text(before)
    await player.find("#client-seed").fill("my-lucky-seed")
    await player.button("Reveal and rotate").click()
    await expect(player.find("#revealed")).to_contain_text("Revealed")
    await expect(player.find("#fairness-facts")).to_contain_text("my-lucky-seed")
    await expect(player.find("#fairness-facts")).not_to_contain_text(before)
