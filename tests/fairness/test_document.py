"""Every vector in docs/fairness.md, recomputed from its text by the model and by the verifier of the product."""

import hashlib
import json
import math
import re
from typing import Any

import msgspec
import pytest

from croupier.fairness import rolls as product
from croupier.fairness.verify import verify_receipt
from croupier_schemas.fairness import GachaReceipt
from tests.fairness.document import TEXT, receipts, rows, server_seed
from tests.model import draws, fairness
from tests.model.draws import PITIED, RARITIES, Progress


def test_given_the_documents_server_seed_when_hashed_then_it_gives_the_commitment() -> None:
    (row,) = rows("seed")

    assert re.fullmatch("[0-9a-f]{64}", row["server seed"])
    assert hashlib.sha256(row["server seed"].encode("ascii")).hexdigest() == row["commitment"]


@pytest.mark.parametrize("block", [fairness.block, product.block], ids=["model", "product"])
def test_given_the_documents_blocks_when_recomputed_then_they_are_equal(block: Any) -> None:
    for row in rows("blocks"):
        client_seed, nonce, number = row["client seed"], int(row["nonce"]), int(row["b"])
        assert row["message"] == f"`{client_seed}:{nonce}:{number}`"
        assert block(server_seed(), client_seed, nonce, number) == row["block"]


@pytest.mark.parametrize("rolls", [fairness.rolls, product.rolls], ids=["model", "product"])
def test_given_the_documents_rolls_when_recomputed_then_they_are_equal(rolls: Any) -> None:
    for row in rows("rolls"):
        index = int(row["roll i"])
        u = rolls(server_seed(), row["client seed"], int(row["nonce"]), index + 1)[index]
        assert u == float(row["u"]) == int(row["13 digits"], 16) / 2**52
        assert math.floor(u * 1_000_000) == int(row["floor(u × 1000000)"])


def test_given_the_documents_thresholds_when_computed_in_doubles_and_in_whole_numbers_then_both_are_right() -> (
    None
):
    differ = 0
    for row in rows("floor"):
        n, w = int(row["13 digits"], 16), int(row["w"])
        assert math.floor(n / 2**52 * w) == int(row["floor(u × w)"])
        assert n * w // 2**52 == int(row["in whole numbers"])
        differ += row["floor(u × w)"] != row["in whole numbers"]
    assert differ >= 5


@pytest.mark.parametrize("index", [0, 1])
def test_given_the_documents_receipts_when_verified_then_there_is_no_problem(index: int) -> None:
    receipt = msgspec.json.decode(json.dumps(receipts()[index]), type=GachaReceipt)

    assert verify_receipt(receipt) == []


@pytest.mark.parametrize("index", [0, 1])
def test_given_the_documents_receipts_when_drawn_by_the_model_then_the_draws_are_equal(index: int) -> None:
    receipt = receipts()[index]

    drawn = [draw for *_, draw in replay(receipt)]

    assert [
        {name: value for name, value in each._asdict().items() if name != "place"} for each in drawn
    ] == receipt["draws"]


def test_given_the_documents_steps_of_the_ten_pull_when_recomputed_then_each_column_is_right() -> None:
    receipt = receipts()[1]
    table = receipt["table"]

    for row, (counters, weights, u1, u2, draw) in zip(rows("draws"), replay(receipt), strict=True):
        items = draws.drawing_order(table, draw.rarity)
        weight = sum(item["weight"] for item in items if item["featured"] or not draw.guaranteed)
        assert row["counters"] == ", ".join(str(counters[rarity]) for rarity in PITIED)
        assert row["weights with soft pity"] == ", ".join(str(weights[rarity]) for rarity in RARITIES)
        assert row["r"] == str(math.floor(u1 * 1_000_000))
        assert row["due"] == (draws.due_rarity(table, counters) or "")
        assert row["drawn"] == (draw.downgraded_from or draw.rarity)
        assert row["stock"] == ("" if draw.stock_seen is None else str(draw.stock_seen))
        assert row["delivered"] == draw.rarity
        assert row["r2 of W"] == f"{math.floor(u2 * weight)} of {weight}"
        assert row["item"] == draw.item_id


def test_given_the_example_of_a_pull_of_one_when_its_sentence_is_read_then_its_numbers_are_right() -> None:
    ((_, weights, u1, u2, draw),) = replay(receipts()[0])
    sentence = " ".join(TEXT.split("### A pull of one")[1].split("```")[2].split("###")[0].split())

    assert f"u1 = {u1!r}, so r = {math.floor(u1 * 1_000_000):,}" in sentence
    totals = [sum(weights[each] for each in RARITIES[: n + 1]) for n in range(4)]
    assert ", ".join(f"{total:,}" for total in totals) in sentence
    assert f"u2 = {u2!r}" in sentence and sentence.endswith(f"`{draw.item_id}`.")


def replay(receipt: dict[str, Any]) -> list[tuple[dict[str, int], dict[str, int], float, float, draws.Draw]]:
    """For each draw: counters and weights before it, its rolls, and what the model draws."""
    table, before = receipt["table"], receipt["state_before"]
    progress = Progress({rarity: before[rarity] for rarity in PITIED}, before["guaranteed"])
    seen = (draw["stock_seen"] for draw in receipt["draws"] if draw["stock_seen"] is not None)
    limited = [rarity for rarity in PITIED if table["stock"][rarity] is not None]
    stock = {rarity: next(seen) for rarity in limited[:1]}  # the examples limit one rarity at most
    count = len(receipt["draws"])
    u = fairness.rolls(server_seed(), receipt["client_seed"], receipt["nonce"], 2 * count)
    steps = []
    for j in range(count):
        counters = dict(progress.since)
        weights = draws.soft_weights(table, counters)
        drawn = draws.draw(table, progress, stock, u[2 * j], u[2 * j + 1])
        steps.append((counters, weights, u[2 * j], u[2 * j + 1], drawn))
    return steps
