"""The verifier in the browser: against the vectors of docs/fairness.md, and against the verifier in Python."""

import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from playwright.async_api import Route, expect

from croupier.economy import load_economy
from croupier.fairness.rolls import rolls
from croupier.fairness.verify import verify_receipt
from croupier.gacha.draw import DrawState, draw
from croupier_schemas.fairness import GachaReceipt, ReceiptReply
from croupier_schemas.gacha import Pity
from tests.browser.conftest import Open
from tests.browser.visit import Visit
from tests.fairness.document import receipts, rows, server_seed
from tests.fairness.test_verify_gacha import wrong_draws, wrong_fields, wrong_state, wrong_tables
from tests.fairness.test_verify_games import ALL

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = ("receipt", "slot receipt", "rps receipt", "crash receipt")


async def ask_module(player: Visit, expression: str, argument: Any = None) -> Any:
    """The value of an expression over `fairness`, the page's own module, and `given`."""
    return await player.page.evaluate(
        "async (given) => { const base = document.querySelector('script').src;"
        "const fairness = await import(new URL('../shared/fairness.js', base));"
        f"return {expression}; }}",
        argument,
    )


async def test_given_the_vectors_when_computed_in_the_browser_then_they_agree(visit: Open) -> None:
    player = await visit()
    given: list[Any]
    (seed,) = rows("seed")
    assert await ask_module(player, "fairness.sha256(given)", server_seed()) == seed["commitment"]
    for row in rows("blocks"):
        given = [server_seed(), row["message"].strip("`")]
        assert await ask_module(player, "fairness.block(...given)", given) == row["block"]
    for row in rows("rolls"):
        given = [server_seed(), row["client seed"], int(row["nonce"]), int(row["roll i"]) + 1]
        last = (await ask_module(player, "fairness.roll(...given)", given))["rolls"][-1]
        assert (last["digits"], last["u"]) == (row["13 digits"], float(row["u"]))
    for row in rows("floor"):
        given = [row["13 digits"], int(row["w"])]
        found = await ask_module(player, "Math.floor(fairness.unit(given[0]) * given[1])", given)
        assert found == int(row["floor(u × w)"])
    for row in rows("moves"):
        assert (
            await ask_module(player, "fairness.serverMove(fairness.unit(given))", row["13 digits"])
            == row["server's move"]
        )
    for row in rows("crash points"):
        given = [row["13 digits"], int(row["cap"])]
        found = await ask_module(player, "fairness.crashPoint(fairness.unit(given[0]), given[1])", given)
        assert found == int(row["crash point"])
    for row in rows("multipliers"):
        given = [int(row["growth_ppm"]), int(row["elapsed_ms"]), int(row["cap"])]
        assert await ask_module(player, "fairness.grown(...given)", given) == int(row["multiplier"])


async def test_given_the_pull_of_ten_of_the_document_when_recomputed_then_every_step_is_as_it_is_there(
    visit: Open,
) -> None:
    player = await visit()
    report = await ask_module(player, "fairness.verify(given)", receipts()[1])
    found = [
        {
            "draw": str(j + 1),
            "counters": ", ".join(map(str, way["counters"].values())),
            "weights with soft pity": ", ".join(map(str, way["weights"].values())),
            "r": str(way["r"]),
            "due": way["due"] or "",
            "drawn": way["drawn"],
            "stock": "" if way["stockSeen"] is None else str(way["stockSeen"]),
            "delivered": way["rarity"],
            "r2 of W": f"{way['r2']} of {way['w']}",
            "item": draw["item_id"],
        }
        for j, (way, draw) in enumerate(zip(report["ways"], report["found"]["draws"], strict=True))
    ]
    assert found == rows("draws")


async def test_given_many_pulls_computed_in_python_when_verified_in_the_browser_then_all_are_right(
    visit: Open,
) -> None:
    player = await visit()
    given = [msgspec.to_builtins(pull) for pull in pulls(random.Random(7), 120)]
    reports = await ask_module(player, "Promise.all(given.map((each) => fairness.verify(each)))", given)
    assert [report["problems"] for report in reports if report["verdict"] != "verified"] == []


def pulls(chance: random.Random, count: int) -> Iterator[GachaReceipt]:
    """Pulls of ten on the default banners and that of the document, with pity near and far and stock about to end."""
    (example,) = (msgspec.convert(each, GachaReceipt) for each in receipts()[1:])
    tables = [example.table, *load_economy().gacha.banners.values()]
    for nonce in range(1, count + 1):
        table = chance.choice(tables)
        pity = Pity(chance.randrange(95), chance.randrange(12), chance.randrange(5), chance.random() < 0.5)
        u = rolls(server_seed(), example.client_seed, nonce, 20)
        state = DrawState.before(pity)
        draws = [draw(table, state, chance.randrange(3), u[2 * j], u[2 * j + 1]) for j in range(10)]
        yield replace(example, table=table, nonce=nonce, state_before=pity, draws=draws)


async def test_given_the_receipts_of_the_document_when_changed_then_browser_and_python_agree_on_each(
    visit: Open,
) -> None:
    player = await visit()
    examples = [receipt for kind in KINDS for receipt in receipts(kind)]
    given = [*examples, *map(msgspec.to_builtins, changed())]
    reports = await ask_module(player, "Promise.all(given.map((each) => fairness.verify(each)))", given)
    verdicts = [report["verdict"] for report in reports]
    assert set(verdicts[: len(examples)]) == {"verified"}
    for receipt, report in zip(given, reports, strict=True):
        problems = verify_receipt(msgspec.convert(receipt, ReceiptReply))
        assert (report["verdict"] == "verified") == (not problems), (receipt, report, problems)
    assert len(given) > 300


def changed() -> Iterator[ReceiptReply]:
    """Every example with one thing in it changed, as the tests of the verifier in Python change it."""
    for receipt in receipts():
        pull = msgspec.convert(receipt, GachaReceipt)
        for change in (
            wrong_fields,
            wrong_draws,
            *((wrong_state, wrong_tables) if len(pull.draws) == 10 else ()),
        ):
            yield from (wrong for _, wrong in change(pull))
    for example, changes in ALL.values():
        yield from (replace(example, **{name: value}) for name, value in changes())


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
