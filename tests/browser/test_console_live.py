"""The console's live events over connections that are lost, and panels that are left."""

import json

import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from tests.browser.conftest import Operator
from tests.browser.visit import Visit
from tests.browser.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="session")

TICKET = "**/api/games/ws/ticket"


def play(player: Visit, times: int = 1) -> None:
    for _ in range(times):
        player.ask("/api/games/rps/play", {"player_move": "ROCK"})


async def test_given_a_pause_when_the_connection_is_lost_and_back_then_no_event_is_listed_twice(
    operator: Operator, player: Visit, wire: Wire
) -> None:
    console = await operator("live", url=wire.url)
    console.expect_refusals(0)
    await console.find("#live-player").fill(str(player.user))
    rows, count = console.find("#live-list tbody tr"), console.find("#live-count")
    await expect(console.find("#live-state")).to_have_text("Live")
    play(player, 2)
    await expect(rows).to_have_count(2)
    await console.button("Pause").click()
    play(player, 3)
    await expect(count).to_contain_text("3 more wait")

    await wire.cut()
    await expect(console.find("#live-state")).not_to_have_text("Live")
    play(player)
    await wire.mend()
    await expect(console.find("#live-state")).to_have_text("Live")
    await expect(count).to_contain_text("4 more wait")
    await console.button("Go on").click()

    await expect(rows).to_have_count(6)
    ids = await rows.locator("td:last-child").all_inner_texts()
    assert len(set(ids)) == len(ids)
    await expect(console.find("#live-list")).not_to_contain_text("Gap")


async def test_given_events_that_were_cleared_when_the_connection_is_back_then_they_stay_cleared(
    operator: Operator, player: Visit, wire: Wire
) -> None:
    console = await operator("live", url=wire.url)
    console.expect_refusals(0)
    await console.find("#live-player").fill(str(player.user))
    rows = console.find("#live-list tbody tr")
    await expect(console.find("#live-state")).to_have_text("Live")
    play(player, 2)
    await expect(rows).to_have_count(2)
    await console.button("Clear").click()

    await wire.cut()
    await expect(console.find("#live-state")).not_to_have_text("Live")
    play(player)
    await wire.mend()

    await expect(rows).to_have_count(1)


async def test_given_more_events_than_a_snapshot_has_when_the_connection_is_back_then_the_gap_is_shown(
    operator: Operator, player: Visit, wire: Wire
) -> None:
    console = await operator(url=wire.url)
    console.expect_refusals(0)

    def keep_last(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def forward(message: str | bytes) -> None:
            push = json.loads(message)
            if push["type"] == "monitor_snapshot":
                push["events"] = push["events"][-1:]
            route.send(json.dumps(push))

        server.on_message(forward)

    await console.page.route_web_socket("**/api/games/ws/monitor*", keep_last)
    await console.go("live")
    await console.find("#live-player").fill(str(player.user))
    rows = console.find("#live-list tbody tr")
    await expect(console.find("#live-state")).to_have_text("Live")
    play(player)
    await expect(rows).to_have_count(1)

    await console.go("overview")
    play(player, 3)
    await console.go("live")

    await expect(rows).to_have_count(3)
    await expect(rows.nth(1)).to_contain_text("Gap")
    await expect(rows.nth(1)).to_contain_text("may be missing")
    await expect(console.find("#live-count")).to_contain_text("2 shown")


async def test_given_more_events_than_are_kept_when_paused_then_it_is_said_how_many_are_left_out(
    operator: Operator, player: Visit
) -> None:
    console = await operator()

    def multiply(route: WebSocketRoute) -> None:
        server = route.connect_to_server()

        def forward(message: str | bytes) -> None:
            push = json.loads(message)
            events = [push]
            if push["type"] == "game_event":
                copies = (push["event"] | {"event_id": f"0-9-{number}"} for number in range(510))
                events = [push | {"event": copy} for copy in copies]
            for each in events:
                route.send(json.dumps(each))

        server.on_message(forward)

    await console.page.route_web_socket("**/api/games/ws/monitor*", multiply)
    await console.go("live")
    await expect(console.find("#live-state")).to_have_text("Live")
    await console.button("Pause").click()
    play(player)

    count = console.find("#live-count")
    await expect(count).to_contain_text("500 more wait, 10 older ones are left out")
    await console.button("Go on").click()
    await expect(count).to_have_text("100 shown of the last 500")


async def test_given_a_panel_that_is_left_when_its_ticket_comes_then_no_socket_is_opened(
    operator: Operator,
) -> None:
    console = await operator()
    held: list[Route] = []
    opened: list[str] = []
    console.page.on("websocket", lambda socket: opened.append(socket.url))
    await console.page.route(TICKET, lambda route: held.append(route), times=1)
    async with console.page.expect_request(TICKET):
        await console.go("live")
    await console.go("overview")

    async with console.page.expect_response(TICKET):
        await held[0].continue_()
    await console.page.evaluate("fetch('/health').then((reply) => reply.json())")

    assert opened == []
    await console.go("live")
    await expect(console.find("#live-state")).to_have_text("Live")
    assert len(opened) == 1
