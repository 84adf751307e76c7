"""Markup in what players choose or the server sends: shown as the text that it is. And where the token is kept."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Open

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKUP = "<img src=x id=planted onerror=globalThis.ran=1>"


async def require_harmless(page: Page) -> None:
    """It became no element, and did nothing."""
    await expect(page.locator("#planted")).to_have_count(0)
    assert await page.evaluate("globalThis.ran") is None


def with_markup(value: Any, names: frozenset[str] | None = None) -> Any:
    """A document with markup at the end of the texts of these names; of all but the type, where none are named."""
    if isinstance(value, list):
        return [with_markup(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"{member}{MARKUP}"
        if isinstance(member, str) and (name in names if names else name != "type")
        else with_markup(member, names)
        for name, member in value.items()
    }


async def test_given_a_receipt_with_markup_when_an_operator_pastes_it_then_it_is_text(visit: Open) -> None:
    player = await visit()
    pulled = player.ask("/api/games/gacha/pull", {"count": 1})
    player.ask("/api/fairness/rotate", {})
    receipt = player.ask(f"/api/fairness/receipts/{pulled['receipt']['event_id']}")
    admin = await visit("/console", claims={"role": "admin"})
    admin.expect_refusals(400, 404, 422)
    await admin.go("receipt")
    await admin.page.get_by_text("A receipt as JSON").click()
    for pasted in (
        with_markup(receipt),
        with_markup(receipt, frozenset({"client_seed", "item_id", "banner"})),
    ):
        await admin.find("#given").fill(json.dumps(pasted))
        await admin.find("#given-form button").click()
        await expect(admin.find("#recomputed")).to_contain_text(MARKUP)
        await require_harmless(admin.page)


async def test_given_names_and_errors_with_markup_when_the_server_sends_them_then_they_are_text(
    visit: Open,
) -> None:
    player = await visit()

    async def refuse(route: Route) -> None:
        await route.fulfill(status=422, json={"code": "STRANGE", "message": MARKUP})

    async def rename(route: Route) -> None:
        reply = await route.fetch()
        names = frozenset({"name", "item_id", "commitment", "client_seed"})
        await route.fulfill(response=reply, json=with_markup(await reply.json(), names))

    player.expect_refusals(404, 422)
    await player.page.route("**/api/games/gacha/banners", rename)
    await player.page.route("**/api/fairness", rename)
    await player.page.reload()
    await expect(player.find("#banners")).to_contain_text("<img")
    await player.go("fairness")
    await expect(player.find("#fairness-facts")).to_contain_text(MARKUP)
    await player.page.unroute("**/api/fairness")
    await player.page.route("**/api/fairness", refuse)
    await player.page.reload()
    await expect(player.find("#fairness-error")).to_contain_text(MARKUP)
    await require_harmless(player.page)


async def test_given_a_token_in_the_link_when_the_page_has_loaded_then_only_this_tab_has_it(
    visit: Open,
) -> None:
    for path, role in (("/play", "user"), ("/console", "admin")):
        player = await visit(path, claims={"role": role})
        await expect(player.find("#signout")).to_be_visible()
        assert player.token not in player.page.url
        kept = await player.page.evaluate(
            "() => ({ here: { ...sessionStorage }, ever: { ...localStorage }, cookie: document.cookie,"
            " shown: document.documentElement.outerHTML })"
        )
        assert player.token in kept.pop("here").values()
        assert player.token not in json.dumps(kept)
