"""The console in a browser: what an operator sees of what players do."""

import asyncio
import json
import re
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.async_api import Request, expect

from tests.browser.conftest import PREMIUM_PER_MINUTE, Open, Operator
from tests.browser.visit import DEADLINE_MS, Visit
from tests.browser.wire import Wire
from tests.cli.support import ask

pytestmark = pytest.mark.asyncio(loop_scope="session")

PANELS = ("overview", "pools", "sync", "fairness", "live", "log", "player", "receipt")
OPERATIONS = "/api/admin/operations"
PHONE = {"viewport": {"width": 360, "height": 740}}


def pull(player: Visit, count: int = 1, banner: str = "standard") -> dict[str, Any]:
    return player.ask("/api/games/gacha/pull", {"count": count, "banner": banner})


async def test_given_the_live_events_when_a_player_pulls_then_it_appears_and_its_receipt_is_verified(
    operator: Operator, player: Visit
) -> None:
    console = await operator("live")
    await expect(console.find("#live-state")).to_have_text("Live")

    event_id = pull(player, 10)["receipt"]["event_id"]

    row = console.page.locator("#live-list tbody tr", has_text=event_id)
    await expect(row).to_contain_text("gacha.pulled")
    await expect(row).to_contain_text(str(player.user))
    await expect(row).to_contain_text("Ten")
    await row.get_by_role("button", name=f"Verify {event_id}").click()
    await expect(console.find("#verdict [data-verdict]")).to_have_attribute("data-verdict", "unrevealed")
    await expect(console.find("#verdict")).to_contain_text("Only the player can reveal it")

    player.ask("/api/fairness/rotate", {})
    await console.button("Fetch and verify").click()

    await expect(console.find("#verdict [data-verdict]")).to_have_attribute("data-verdict", "verified")
    assert (
        await console.page.locator("#verdict table", has_text="Every draw, recomputed")
        .locator("tbody tr")
        .count()
        == 10
    )


async def test_given_filters_and_a_pause_when_events_come_then_only_those_wanted_are_shown(
    operator: Operator, player: Visit
) -> None:
    console = await operator("live")
    await expect(console.find("#live-state")).to_have_text("Live")
    rows = console.find("#live-list tbody tr")
    await console.find("#live-player").fill(str(player.user))
    await expect(rows).to_have_count(0)

    player.ask("/api/games/rps/play", {"player_move": "ROCK"})
    pull(player)
    await expect(rows).to_have_count(2)
    await console.find("#live-type").select_option("rps.played")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Rock against")

    await console.button("Pause").click()
    player.ask("/api/games/rps/play", {"player_move": "ROCK"})
    await expect(console.find("#live-count")).to_contain_text("1 more wait")
    await expect(rows).to_have_count(1)
    await console.button("Go on").click()
    await expect(rows).to_have_count(2)
    await console.button("Clear").click()
    await expect(rows).to_have_count(0)


async def test_given_a_player_when_looked_up_then_state_and_last_events_are_those_of_the_player(
    operator: Operator, player: Visit
) -> None:
    pull(player, 10)
    event_id = player.ask("/api/games/slot/spin", {"bet_amount": 100})["receipt"]["event_id"]
    player.ask("/api/games/session/start", {"game_type": "rps"})
    balance = player.ask("/api/wallet")["tokens"]
    console = await operator("log")
    await console.find("#log-player").fill(str(player.user))
    rows = console.find("#log-list tbody tr")
    # The log is Postgres', which follows.
    for _ in range(50):
        await console.button("Search").click()
        await expect(console.find("#log-note")).to_contain_text("These are all")
        if await rows.count() == 3:
            break
    await expect(rows.first).to_contain_text("session.started")
    spun = console.page.locator("#log-list tbody tr", has_text=event_id)
    await expect(spun).to_contain_text("slot.spun")
    await expect(rows.last).to_contain_text("Ten of Standard")
    await expect(rows.last).to_contain_text("−50,000")

    await spun.get_by_role("button", name=f"Player {player.user}").click()

    await expect(console.find("#player-found h2").first).to_have_text(f"Player {player.user}")
    await expect(console.find("#player-found .facts").first).to_contain_text(f"{balance:,}")
    await expect(console.find("#player-found .facts").first).to_contain_text("Rock, paper, scissors")
    await expect(console.page.locator("#player-found tr", has_text=event_id)).to_have_count(1)
    record = console.page.locator("#player-found details", has_text="Record: Player")
    await record.locator("summary").click()
    await expect(record.locator("tr", has_text="inner_pad")).to_contain_text("present")


async def test_given_a_player_that_does_not_exist_when_looked_up_then_that_is_said(
    operator: Operator,
) -> None:
    console = await operator("player")
    console.expect_refusals(404)
    await console.find("#player-id").fill("4711000")
    await console.button("Look up").click()

    await expect(console.find("#player [role=alert]")).to_contain_text("There is no such player")


async def test_given_play_when_the_panels_are_opened_then_their_figures_are_those_of_the_api(
    operator: Operator, player: Visit
) -> None:
    pull(player, 10, "festival")
    player.ask("/api/games/slot/spin", {"bet_amount": 100})
    console = await operator("pools")
    pools = console.ask("/api/admin/pools")["items"]
    for pool in pools:
        row = console.page.locator("#pool-list tbody tr", has_text=pool["rarity"]).first
        await expect(row.locator("td").nth(2)).to_have_text(f"{pool['remaining']:,}")
    await console.find("#pool-list summary").first.click()
    await expect(console.find("#pool-list details table tbody tr")).not_to_have_count(0)

    await console.go("fairness")
    festival = console.page.locator("#odds-list .panel", has_text="Festival")
    await expect(festival).to_contain_text("economy")
    await expect(festival.locator("table").first.locator("tbody tr")).to_have_count(4)
    await festival.locator("summary", has_text="Common items").click()
    await expect(festival.get_by_role("row", name="Red envelope")).to_be_visible()

    slot = console.page.locator("#odds-list .panel", has_text="Slot")
    await expect(slot).to_contain_text("Return to player")
    await slot.locator("summary", has_text="Reel 2").click()
    await expect(slot.get_by_role("row", name="Cherry")).to_be_visible()

    await console.go("sync")
    await expect(console.find("#partitions")).to_contain_text("following")
    await expect(console.find("#heals")).to_contain_text("Redis never had to be made")

    await console.go("overview")
    await expect(console.find("#checks")).to_contain_text("postgres")
    await expect(console.find("#status-text")).to_have_text("Ready")
    commands = console.page.locator("#commands tr", has_text="gacha.pull")
    await expect(commands.locator("td").nth(2)).not_to_have_text("0")


async def test_given_a_page_that_is_live_when_the_overview_is_watched_then_its_socket_is_counted(
    operator: Operator, visit: Open
) -> None:
    live = await visit()
    await live.require_live()
    console = await operator("overview")
    tile = console.page.locator("#tiles .tile", has_text="Sockets")
    await expect(tile.locator(".note")).to_contain_text(re.compile("player [1-9]"))
    await expect(console.page.locator("#tiles .tile", has_text="Frames")).to_contain_text("0 pushes dropped")


async def test_given_an_idle_server_when_the_overview_is_watched_then_what_consoles_ask_is_no_command(
    operator: Operator, player: Visit
) -> None:
    console = await operator("overview")
    tables = console.find("#operations > *")
    tile = console.page.locator("#tiles .tile", has_text="Command time, median")
    others = console.page.locator("#tiles .tile", has_text="Other requests").locator(".figure")
    await expect(others).to_have_text(re.compile("[1-9]"))
    await expect(tile.locator(".figure")).to_have_text("–")
    await expect(tables.first).not_to_contain_text("admin_operations")
    await expect(tables.last).to_contain_text("admin_operations")

    pull(player)

    await expect(tile.locator(".figure")).to_contain_text("ms")
    await expect(tables.first).to_contain_text("games_gacha_pull")
    await expect(tables.last).not_to_contain_text("games_gacha_pull")


async def test_given_a_block_when_the_overview_is_watched_then_it_is_counted_without_a_reload(
    operator: Operator, visit: Open
) -> None:
    console = await operator("overview")
    limited = await visit("/health", claims={"tier": "PREMIUM"})
    for _ in range(PREMIUM_PER_MINUTE):
        limited.ask("/api/games/rps/play", {"player_move": "ROCK"})
    with pytest.raises(HTTPError) as refused:
        limited.ask("/api/games/rps/play", {"player_move": "ROCK"})
    refused.value.close()
    assert refused.value.code == 429

    row = console.page.locator("#blocks tr", has_text="PREMIUM")
    await expect(row).to_contain_text("games_rps_play")


@pytest.mark.parametrize("given", ["", "user"])
async def test_given_no_operators_token_when_the_console_is_opened_then_it_says_so_and_takes_another(
    visit: Open, operator: Operator, given: str
) -> None:
    admin = await operator()
    other = await visit("/health")
    other.expect_refusals(401, 403)
    address = str(admin.page.url).partition("#")[0]
    await other.page.goto(address + (f"#token={other.token}" if given else ""))

    await expect(other.find("#signin")).to_be_visible()
    if given:
        await expect(other.find("#signin-why")).to_contain_text("its role is user")
        await other.require_accessible()
    await expect(other.find("#panels")).to_be_hidden()
    assert other.token not in other.page.url

    await other.find("#signin-token").fill(admin.token)
    await other.button("Sign in").click()
    await expect(other.find("#status-text")).to_have_text("Ready")


async def test_given_a_receipt_as_json_when_pasted_then_it_is_judged_and_what_is_none_is_said(
    operator: Operator, player: Visit
) -> None:
    event_id = pull(player)["receipt"]["event_id"]
    player.ask("/api/fairness/rotate", {})
    receipt = player.ask(f"/api/fairness/receipts/{event_id}")
    forged = receipt | {"draws": [receipt["draws"][0] | {"item_id": "another_one"}]}
    console = await operator("receipt")
    await console.find("#receipt summary").click()
    verdict = console.find("#verdict [data-verdict]")

    for text, expected in ((json.dumps(receipt), "verified"), (json.dumps(forged), "wrong")):
        await console.find("#given").fill(text)
        await console.find("#given-form button").click()
        await expect(verdict).to_have_attribute("data-verdict", expected)
    for text in ("{", "[]", "null", "42"):
        await console.find("#given").fill(text)
        await console.find("#given-form button").click()
        await expect(console.find("#receipt [data-error]")).to_contain_text("not a receipt")


async def test_given_a_server_that_goes_away_when_watched_then_it_is_said_until_it_is_back(
    operator: Operator, wire: Wire
) -> None:
    console = await operator("overview", url=wire.url)
    await expect(console.find("#status-text")).to_have_text("Ready")
    console.expect_refusals(0)

    await wire.cut()
    await expect(console.find("#offline")).to_contain_text("cannot be reached")
    await expect(console.find("#status-text")).to_have_text("No answer")
    await console.go("pools")
    await expect(console.find("#pools [data-error]")).to_have_text("The server cannot be reached.")
    await wire.mend()

    await expect(console.find("#offline")).to_be_hidden()
    await expect(console.find("#status-text")).to_have_text("Ready")


async def test_given_a_page_that_is_not_seen_then_it_asks_for_nothing_until_it_is_seen_again(
    operator: Operator,
) -> None:
    console = await operator("overview")
    page, asked = console.page, list[str]()
    await page.clock.install()
    await page.reload()
    await expect(console.find("#status-text")).to_have_text("Ready")
    under_way = set[Request]()
    page.on("request", lambda request: under_way.add(request))
    page.on("requestfinished", lambda request: under_way.discard(request))
    async with page.expect_request(f"**{OPERATIONS}"):
        await page.clock.run_for(5_000)

    await _become(page, "hidden")
    # The jump of the clock would be a request's time out.
    async with asyncio.timeout(DEADLINE_MS / 1000):
        while under_way:
            await asyncio.sleep(0.02)
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.run_for(60_000)
    assert asked == []

    async with page.expect_request(f"**{OPERATIONS}"):
        await _become(page, "visible")
        await page.clock.run_for(5_000)


async def _become(page: Any, state: str) -> None:
    await page.evaluate(
        """(state) => {
          Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


async def test_given_a_keyboard_when_a_panel_is_chosen_then_its_heading_has_the_focus(
    operator: Operator,
) -> None:
    console = await operator("overview")
    await console.find('#tabs a[href="#player"]').focus()
    await console.page.keyboard.press("Enter")

    await expect(console.find("#player-title")).to_be_focused()
    await console.page.keyboard.press("Tab")
    await expect(console.find("#player-id")).to_be_focused()


@pytest.mark.parametrize(
    "context",
    [{"color_scheme": "dark"}, {"color_scheme": "light", **PHONE}],
    ids=["dark", "phone"],
)
async def test_given_any_panel_when_axe_looks_at_it_then_it_finds_nothing_and_nothing_is_cut_off(
    operator: Operator, player: Visit, context: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    event_id = pull(player, 10, "festival")["receipt"]["event_id"]
    console = await operator(**context)
    for panel in PANELS:
        await console.go(panel)
        if panel in ("live", "log"):  # a few rows say as much as hundreds, which take axe seconds
            await console.find(f"#{panel}-player").fill(str(player.user))
        if panel == "log":
            await console.button("Search").click()
            await expect(console.find("#log-note")).to_contain_text("These are all")
        if panel == "player":
            await console.find("#player-id").fill(str(player.user))
            await console.button("Look up").click()
            await expect(console.find("#player-found h2").first).to_be_visible()
        if panel == "receipt":
            await console.find("#receipt-id").fill(event_id)
            await console.button("Fetch and verify").click()
            await expect(console.find("#verdict [data-verdict]")).to_be_visible()
        await console.require_accessible()
        fits = "document.documentElement.scrollWidth <= innerWidth"
        assert await console.page.evaluate(fits), panel
        await console.picture(f"console-{panel}-{request.node.callspec.id}")


async def test_given_the_printed_link_of_an_operator_then_it_leads_to_the_console(installation: Any) -> None:
    link = installation.ready["console"]

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/console#token=\S+", link)
    assert ask(installation.ready["url"] + OPERATIONS, link.partition("=")[2])["status"] == "ready"
