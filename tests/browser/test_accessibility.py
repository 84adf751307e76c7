"""The play page for everybody: axe-core, small screens, both schemes, less motion."""

from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Open

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 360, "height": 740}
LOOKS: dict[str, dict[str, Any]] = {
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": PHONE, "has_touch": True},
}
"""Each scheme and each width once: colours do not depend on the width, nor the layout on the scheme."""

VIEWS = ("gacha", "crash", "slot", "rps", "history", "sessions", "fairness")


@pytest.mark.parametrize("look", LOOKS)
async def test_given_every_view_when_played_in_then_axe_finds_nothing_and_nothing_is_cut_off(
    visit: Open, look: str
) -> None:
    player = await visit(reduced_motion="reduce", **LOOKS[look])
    await player.require_live()
    await player.button("Pull ten").click()
    await expect(player.find(".card")).to_have_count(10)
    await player.find("#odds > summary").click()
    player.ask("/api/games/rps/play", {"player_move": "ROCK"})
    for view in VIEWS:
        await player.go(view)
        if view == "slot":
            await player.button("Spin").click()
            await expect(player.button("Verify this spin")).to_be_visible()
        if view == "rps":
            await player.button("Rock$").click()
            await expect(player.button("Verify this game")).to_be_visible()
        await player.require_accessible()
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await player.page.evaluate(width) == 0, view
        await player.picture(f"play-{look}-{view}")
    await player.go("gacha")
    await player.button("Verify this draw").click()
    await player.verified()
    await player.require_accessible()
    await player.page.screenshot(path=f".artefacts/play-{look}-verifier.png")


async def test_given_the_largest_balances_and_long_names_on_a_phone_then_nothing_is_cut_off(
    visit: Open,
) -> None:
    player = await visit("/health", viewport=PHONE, has_touch=True)
    largest = 999_999_999_999_999

    async def enlarge(route: Route) -> None:
        reply = await route.fetch()
        await route.fulfill(response=reply, json=await reply.json() | {"tokens": largest, "gems": largest})

    async def lengthen(route: Route) -> None:
        reply = await route.fetch()
        banners = await reply.json()
        for banner in banners["items"]:
            banner |= {"featured": ["an_item_whose_name_is_long" * 4], "rate_up": "Legendary"}
            banner["cost_tokens"] = {"one": largest, "ten": largest}
        await route.fulfill(response=reply, json=banners)

    await player.page.route("**/api/wallet", enlarge)
    await player.page.route("**/api/games/gacha/banners", lengthen)
    await player.page.goto(player.page.url.partition("/health")[0] + f"/play#token={player.token}")
    await expect(player.find("#tokens")).to_have_text(f"{largest:,}")
    await expect(player.button("Pull ten")).to_contain_text(f"{largest:,}")
    for view in VIEWS:
        await player.go(view)
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await player.page.evaluate(width) == 0, view


async def test_given_the_page_before_sign_in_then_axe_finds_nothing(visit: Open) -> None:
    player = await visit()
    await player.button("Sign out").click()
    await expect(player.find("#signin")).to_be_visible()
    await player.require_accessible()


async def test_given_the_toggle_when_pressed_then_the_other_scheme_is_on_and_stays(visit: Open) -> None:
    player = await visit(color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = await player.page.evaluate(colour)
    await player.button("Dark colours").click()
    assert await player.page.evaluate(colour) != light
    await player.page.reload()
    await expect(player.button("Dark colours")).to_have_attribute("aria-pressed", "true")
    assert await player.page.evaluate(colour) != light


async def test_given_less_motion_when_pulled_then_cards_lie_there_at_once(visit: Open) -> None:
    player = await visit(reduced_motion="reduce")
    await player.button("Pull ten").click()
    await expect(player.find(".card")).to_have_count(10)
    assert await player.page.evaluate("document.getAnimations().length") == 0


async def test_given_an_inline_script_when_it_gets_into_the_page_then_the_policy_stops_it(
    visit: Open,
) -> None:
    player = await visit()
    await player.page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'globalThis.ran = true';"
        "document.body.append(script); }"
    )
    assert await player.page.evaluate("globalThis.ran") is None
    assert any("policy violated: script-src-elem" in problem for problem in player.problems)
    player.problems.clear()
