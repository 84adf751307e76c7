"""The verifier's modules in a browser: against the vectors of docs/fairness.md, and against the verifier in Python."""

import math
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import Browser, Page

from croupier.economy import load_economy
from croupier.fairness.rolls import rolls
from croupier.fairness.verify import verify_receipt
from croupier.fairness.verify.crash import crash_point_m100, multiplier_m100
from croupier.gacha.draw import DrawState, draw
from croupier.slot.machine import wins
from croupier_schemas.crash import Outcome
from croupier_schemas.fairness import (
    CrashSettledReceipt,
    GachaReceipt,
    ReceiptReply,
    RpsReceipt,
    SlotReceipt,
)
from croupier_schemas.gacha import Pity
from croupier_schemas.records import RPS_MOVES, RPS_OUTCOMES
from croupier_schemas.slot import SlotLine
from tests.browser.files import SITE, serve_files
from tests.fairness.document import receipts, rows, server_seed
from tests.fairness.test_verify_gacha import wrong_draws, wrong_fields, wrong_state, wrong_tables
from tests.fairness.test_verify_games import ALL

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = ("receipt", "slot receipt", "rps receipt", "crash receipt")


@pytest_asyncio.fixture(loop_scope="session")
async def verifier(browser: Browser) -> AsyncIterator[Page]:
    """A page that may load the verifier's modules, and has no server."""
    page = await (await browser.new_context()).new_page()
    await serve_files(page)
    await page.goto(f"{SITE}/play")
    yield page
    await page.context.close()


async def ask_module(verifier: Page, expression: str, argument: Any = None) -> Any:
    """The value of an expression over `fairness`, the page's own module, and `given`."""
    return await verifier.evaluate(
        "async (given) => { const base = document.querySelector('script').src;"
        "const fairness = await import(new URL('../shared/fairness.js', base));"
        f"return {expression}; }}",
        argument,
    )


async def test_given_the_vectors_when_computed_in_the_browser_then_they_agree(verifier: Page) -> None:
    given: list[Any]
    (seed,) = rows("seed")
    assert await ask_module(verifier, "fairness.sha256(given)", server_seed()) == seed["commitment"]
    for row in rows("blocks"):
        given = [server_seed(), row["message"].strip("`")]
        assert await ask_module(verifier, "fairness.block(...given)", given) == row["block"]
    for row in rows("rolls"):
        given = [server_seed(), row["client seed"], int(row["nonce"]), int(row["roll i"]) + 1]
        last = (await ask_module(verifier, "fairness.roll(...given)", given))["rolls"][-1]
        assert (last["digits"], last["u"]) == (row["13 digits"], float(row["u"]))
    for row in rows("floor"):
        given = [row["13 digits"], int(row["w"])]
        found = await ask_module(verifier, "Math.floor(fairness.unit(given[0]) * given[1])", given)
        assert found == int(row["floor(u × w)"])
    for row in rows("moves"):
        assert (
            await ask_module(verifier, "fairness.serverMove(fairness.unit(given))", row["13 digits"])
            == row["server's move"]
        )
    for row in rows("crash points"):
        given = [row["13 digits"], int(row["cap"])]
        found = await ask_module(verifier, "fairness.crashPoint(fairness.unit(given[0]), given[1])", given)
        assert found == int(row["crash point"])
    for row in rows("multipliers"):
        given = [int(row["growth_ppm"]), int(row["elapsed_ms"]), int(row["cap"])]
        assert await ask_module(verifier, "fairness.grown(...given)", given) == int(row["multiplier"])


async def test_given_the_pull_of_ten_of_the_document_when_recomputed_then_every_step_is_as_it_is_there(
    verifier: Page,
) -> None:
    report = await ask_module(verifier, "fairness.verify(given)", receipts()[1])
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
    verifier: Page,
) -> None:
    given = [msgspec.to_builtins(pull) for pull in pulls(random.Random(7), 120)]
    reports = await ask_module(verifier, "Promise.all(given.map((each) => fairness.verify(each)))", given)
    assert [report["problems"] for report in reports if report["verdict"] != "verified"] == []


def pulls(chance: random.Random, count: int) -> Iterator[GachaReceipt]:
    """Pulls of ten on the default banners and that of the document, with pity near and far and stock about to end."""
    (example,) = (msgspec.convert(each, GachaReceipt) for each in receipts()[1:])
    tables = [example.table, *load_economy().gacha.banners.values()]
    for nonce in range(1, count + 1):
        table = chance.choice(tables)
        at_the_edge = math.floor(1_000_000 * rolls(server_seed(), example.client_seed, nonce, 1)[0])
        near_miss_ppm = max(0, at_the_edge - table.weights_ppm.Legendary + chance.randrange(2))
        table = replace(table, near_miss_ppm=min(near_miss_ppm, 1_000_000))
        pity = Pity(chance.randrange(95), chance.randrange(12), chance.randrange(5), chance.random() < 0.5)
        u = rolls(server_seed(), example.client_seed, nonce, 20)
        state = DrawState.before(pity)
        draws = [draw(table, state, chance.randrange(3), u[2 * j], u[2 * j + 1]) for j in range(10)]
        yield replace(example, table=table, nonce=nonce, state_before=pity, draws=draws)


async def test_given_many_rounds_computed_in_python_when_verified_in_the_browser_then_all_are_right(
    verifier: Page,
) -> None:
    chance = random.Random(8)
    given: list[ReceiptReply] = [*settlements(chance, 400), *spins(chance, 60), *games(chance, 30)]
    for receipt in given:
        assert verify_receipt(receipt) == []
    reports = await ask_module(
        verifier,
        "Promise.all(given.map((each) => fairness.verify(each)))",
        [*map(msgspec.to_builtins, given)],
    )
    assert [report["problems"] for report in reports if report["verdict"] != "verified"] == []


def settlements(chance: random.Random, count: int) -> Iterator[CrashSettledReceipt]:
    """Ends of rounds a moment before, at and after their crash point, with bets beyond what a double can multiply."""
    (_, example, *_) = (msgspec.convert(each, ReceiptReply) for each in receipts("crash receipt"))
    assert isinstance(example, CrashSettledReceipt)
    for nonce in range(1, count + 1):
        (u,) = rolls(server_seed(), example.client_seed, nonce, 1)
        crash = crash_point_m100(u, example.cap_m100)
        aim = max(100, crash + chance.choice((-30, -1, 0, 1, 30)))
        elapsed_ms = math.ceil(math.log(aim / 100) / example.growth_ppm * 1e9)
        reached = multiplier_m100(example.growth_ppm, elapsed_ms, example.cap_m100)
        target = min(example.cap_m100, max(101, chance.choice((crash, crash + 1, reached, 10_000))))
        paid: int | None = min(reached, target)
        outcome: Outcome = "auto" if reached >= target else "cashed"
        if crash == 100 or crash < min(reached, target):
            paid, outcome = None, "crashed"
        bet = chance.randrange(1, 10**14)
        yield replace(
            example,
            nonce=nonce,
            bet=bet,
            target_m100=target,
            elapsed_ms=elapsed_ms,
            started_at_ms=round(example.time.timestamp() * 1000) - elapsed_ms,
            crash_m100=crash,
            outcome=outcome,
            paid_m100=paid,
            payout=bet * (paid or 0) // 100,
        )


def spins(chance: random.Random, count: int) -> Iterator[SlotReceipt]:
    (example,) = (msgspec.convert(each, SlotReceipt) for each in receipts("slot receipt"))
    slot = load_economy().slot
    table = replace(example.table, reels=slot.reels, paytable=slot.paytable)
    for nonce in range(1, count + 1):
        u = rolls(server_seed(), example.client_seed, nonce, 3)
        first, second, third = (
            math.floor(each * len(reel)) for each, reel in zip(u, slot.reels, strict=True)
        )
        stops = (first, second, third)
        bet = 100 * chance.randrange(1, 100)
        lines = [
            SlotLine(win.line, win.symbol, win.count, bet * win.percent // 100) for win in wins(slot, stops)
        ]
        payout = sum(line.payout for line in lines)
        yield replace(example, table=table, nonce=nonce, bet=bet, stops=stops, lines=lines, payout=payout)


def games(chance: random.Random, count: int) -> Iterator[RpsReceipt]:
    (example, *_) = (msgspec.convert(each, RpsReceipt) for each in receipts("rps receipt"))
    table = replace(example.table, win_percent=195, bet_step=1)
    for nonce in range(1, count + 1):
        (u,) = rolls(server_seed(), example.client_seed, nonce, 1)
        move, player = math.floor(3 * u), chance.randrange(3)
        outcome: Any = RPS_OUTCOMES[(player - move) % 3]
        bet = chance.randrange(table.bet_min, 1_000)
        payout = {"WIN": bet * 195 // 100, "DRAW": bet, "LOSE": 0}[outcome]
        yield replace(
            example,
            table=table,
            nonce=nonce,
            bet=bet,
            player_move=RPS_MOVES[player],
            server_move=RPS_MOVES[move],
            outcome=outcome,
            payout=payout,
            deterministic=False,
        )


async def test_given_the_receipts_of_the_document_when_changed_then_browser_and_python_agree_on_each(
    verifier: Page,
) -> None:
    examples = [receipt for kind in KINDS for receipt in receipts(kind)]
    given = [*examples, *map(msgspec.to_builtins, changed())]
    reports = await ask_module(verifier, "Promise.all(given.map((each) => fairness.verify(each)))", given)
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
