"""The play page while its connection is lost, and after it."""

import asyncio
import os
import signal

import pytest
from playwright.async_api import APIResponse, Route, expect

from tests.browser.conftest import Open
from tests.browser.visit import DEADLINE_MS
from tests.browser.wire import Wire
from tests.cli.support import Up

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_given_a_lost_connection_when_it_is_back_then_the_page_knows_what_happened_meanwhile(
    visit: Open, wire: Wire
) -> None:
    player = await visit(url=wire.url)
    player.expect_refusals(0)
    await player.require_live()
    await wire.cut()
    await expect(player.find("#offline")).to_be_visible()
    await expect(player.find("#link-text")).to_have_text("Offline")
    await player.picture("offline")
    pulled = player.ask("/api/games/gacha/pull", {"count": 1})

    await wire.mend()
    await player.require_live()
    await expect(player.find("#offline")).to_be_hidden()
    await expect(player.find("#tokens")).to_have_text(f"{pulled['balance']:,}")
    await expect(player.find("#daily")).to_have_text("4 pulls left today")
    await expect(player.find("#latest li .when")).to_contain_text("Gacha")


async def test_given_a_lost_connection_when_a_command_is_given_then_it_runs_once_the_way_is_open(
    visit: Open, wire: Wire
) -> None:
    player = await visit(url=wire.url)
    player.expect_refusals(0)
    await player.require_live()
    await wire.cut()
    await player.button("Pull · ").click()
    await expect(player.find("#offline")).to_be_visible()
    await wire.mend()
    await expect(player.find(".card")).to_have_count(1)
    await expect(player.find("#tokens")).to_have_text("95,000")
    assert player.ask("/api/wallet")["tokens"] == 95_000


async def test_given_a_reply_that_is_lost_when_the_command_is_sent_again_then_it_has_run_once(
    visit: Open, wire: Wire
) -> None:
    player = await visit(url=wire.url)
    player.expect_refusals(0)
    await player.require_live()
    wire.swallows_replies = True
    await player.button("Pull · ").click()
    async with asyncio.timeout(DEADLINE_MS / 1000):
        while player.ask("/api/wallet")["tokens"] == 100_000:
            await asyncio.sleep(0.02)
    await wire.cut()
    await wire.mend()
    await expect(player.find(".card")).to_have_count(1)
    await expect(player.find("#tokens")).to_have_text("95,000")
    assert player.ask("/api/wallet")["tokens"] == 95_000


async def test_given_a_worker_that_is_killed_then_the_page_reconnects_to_the_next_one(
    visit: Open, installation: Up
) -> None:
    player = await visit()
    player.expect_refusals(0)
    await player.require_live()
    worker = player.ask("/health")["worker_pid"]
    os.kill(worker, signal.SIGKILL)
    await expect(player.find("#link-text")).not_to_have_text("Live")
    await player.require_live()
    assert player.ask("/health")["worker_pid"] != worker
    await player.button("Pull · ").click()
    await expect(player.find("#tokens")).to_have_text("95,000")


OPENING_DEADLINE_MS = 12_000
"""So long has a connection from the beginning to its greeting."""


async def test_given_a_socket_that_is_never_greeted_when_its_time_is_over_then_the_page_opens_another(
    visit: Open, wire: Wire
) -> None:
    player = await visit("/health", url=wire.url)
    player.expect_refusals(0)
    await player.page.clock.install()
    wire.swallows_pushes = True
    async with player.page.expect_websocket():
        await player.page.goto(f"{wire.url}/play#token={player.token}")
    await expect(player.find("#link-text")).to_have_text("Connecting")
    wire.swallows_pushes = False

    await player.page.clock.run_for(OPENING_DEADLINE_MS)

    await player.require_live()


async def test_given_a_ticket_that_never_comes_when_its_time_is_over_then_the_page_asks_for_another(
    visit: Open,
) -> None:
    player = await visit("/health")
    await player.page.clock.install()
    asked = asyncio.Event()

    async def swallow(route: Route) -> None:
        asked.set()

    await player.page.route("**/api/games/ws/ticket", swallow, times=1)
    await player.page.goto(player.page.url.partition("/health")[0] + f"/play#token={player.token}")
    await asyncio.wait_for(asked.wait(), DEADLINE_MS / 1000)

    await player.page.clock.run_for(OPENING_DEADLINE_MS)

    await player.require_live()


async def test_given_a_socket_that_is_never_greeted_when_the_server_is_reachable_again_then_another_is_opened(
    visit: Open, wire: Wire
) -> None:
    player = await visit("/health", url=wire.url)
    player.expect_refusals(0)
    wire.swallows_pushes = True
    async with player.page.expect_websocket():
        await player.page.goto(f"{wire.url}/play#token={player.token}")
    await expect(player.find("#link-text")).to_have_text("Connecting")
    wire.swallows_pushes = False
    # No timer of the page goes off any more.
    await player.page.evaluate("for (let id = setTimeout(() => {}); id > 0; id -= 1) clearTimeout(id)")

    await player.page.evaluate("dispatchEvent(new Event('offline'))")

    await player.require_live()


async def test_given_a_refusal_for_a_second_when_it_is_over_then_what_failed_can_still_be_read(
    visit: Open,
) -> None:
    player = await visit()
    player.expect_refusals(503)
    body = {"code": "ENGINE_UNAVAILABLE", "message": "Nothing was done."}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=503, json=body, headers={"Retry-After": "4"})

    await player.page.route("**/api/games/rps/odds", refuse)
    await player.page.clock.install()
    await player.page.reload()
    await player.go("rps")
    error = player.find("#rps-error")
    await expect(error).to_contain_text("Ready in")

    await player.page.clock.run_for(4_500)
    await expect(error).to_have_text("Nothing was done. ")
    await player.page.clock.run_for(10_000)
    await expect(error).to_be_hidden()


async def test_given_another_device_of_the_player_when_it_plays_then_this_page_is_told(visit: Open) -> None:
    player = await visit()
    await player.require_live()
    pulled = player.ask("/api/games/gacha/pull", {"count": 10})
    await expect(player.find("#tokens")).to_have_text(f"{pulled['balance']:,}")
    await expect(player.find("#latest li")).to_contain_text("Ten from Standard")
    await expect(player.find("#daily")).to_have_text("4 pulls left today")
    played = player.ask("/api/games/crash/bet", {"bet_amount": 100, "auto_cashout": 1.01})
    await expect(player.find("#latest")).to_contain_text("Crash bet of 100")
    assert played["game_id"]


async def test_given_no_web_socket_when_played_then_http_carries_everything(visit: Open) -> None:
    player = await visit("/docs")  # a page of the same origin without scripts, to prepare the tab
    await player.page.add_init_script(
        "delete globalThis.WebSocket; globalThis.WebSocket = class { constructor() "
        "{ setTimeout(() => this.closed?.({ code: 1006 })); } addEventListener(name, "
        "listener) { if (name === 'close') this.closed = listener; } close() {} };"
    )
    await player.page.goto(player.page.url.partition("/docs")[0] + f"/play#token={player.token}")
    await player.button("Pull · ").click()
    await expect(player.find("#tokens")).to_have_text("95,000")
    await player.go("crash")
    await player.find("#crash-auto").fill("1.01")
    await player.button("Place bet").click()
    await expect(player.find("#crash-outcome strong")).to_be_visible()
    await expect(player.button("Verify this round")).to_be_visible()


async def test_given_stats_told_late_when_a_pull_came_between_then_the_pulls_left_are_the_newer_ones(
    visit: Open,
) -> None:
    player = await visit(claims={"tier": "STANDARD"})
    await player.require_live()
    await expect(player.find("#daily")).to_have_text("3 pulls left today")
    told: asyncio.Future[tuple[Route, APIResponse]] = asyncio.get_running_loop().create_future()

    async def hold(route: Route) -> None:
        told.set_result((route, await route.fetch()))

    await player.page.route("**/api/games/gacha/stats", hold, times=1)
    player.ask(
        "/api/games/gacha/pull", {"banner": "standard"}
    )  # elsewhere: so the page asks how things stand
    route, response = await told
    await player.button("Pull · ").click()
    await expect(player.find("#daily")).to_have_text("1 pull left today")

    async with player.page.expect_response("**/api/games/gacha/stats"):
        await route.fulfill(response=response)
    await player.page.evaluate("() => new Promise((done) => setTimeout(done))")

    await expect(player.find("#daily")).to_have_text("1 pull left today")


async def test_given_a_wallet_told_late_when_a_pull_came_between_then_the_balance_is_the_newer_one(
    visit: Open,
) -> None:
    player = await visit()
    await player.require_live()
    told: asyncio.Future[tuple[Route, APIResponse]] = asyncio.get_running_loop().create_future()

    async def hold(route: Route) -> None:
        told.set_result((route, await route.fetch()))

    await player.page.route("**/api/wallet", hold, times=1)
    player.ask("/api/games/slot/spin", {"bet_amount": 100})  # elsewhere: so the page asks for the balance
    route, response = await told
    left = f"{player.ask('/api/wallet')['tokens'] - 50_000:,}"
    await player.button("Pull ten").click()
    await expect(player.find("#tokens")).to_have_text(left)

    async with player.page.expect_response("**/api/wallet"):
        await route.fulfill(response=response)
    await player.page.evaluate("() => new Promise((done) => setTimeout(done))")

    await expect(player.find("#tokens")).to_have_text(left)
