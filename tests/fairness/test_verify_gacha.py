"""The verifier of receipts finds every change of a pull."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from croupier.fairness.verify import verify_receipt
from croupier_schemas.economy import SoftPity
from croupier_schemas.fairness import DrawRecord, GachaReceipt
from tests.fairness.document import receipts


@pytest.fixture(scope="module")
def examples() -> list[GachaReceipt]:
    """The receipts of docs/fairness.md: one of one draw, one of ten with all that can happen."""
    return [msgspec.convert(each, GachaReceipt) for each in receipts()]


def wrong_fields(receipt: GachaReceipt) -> Iterator[tuple[str, GachaReceipt]]:
    """The receipt with one field of it replaced, for each that decides something."""
    seed = receipt.server_seed or ""
    nibble = "0" if seed[0] != "0" else "1"
    for name, value in [
        ("event_id", f"0-1-{receipt.seq + 1}"),
        ("event_id", f"0-2-{receipt.seq}"),  # an epoch whose nonces are greater
        ("event_id", "0-1"),
        ("seq", receipt.seq + 1),
        ("rules", 2),
        ("server_seed", None),
        ("server_seed", nibble + seed[1:]),
        ("server_seed", seed.upper()),
        ("server_seed", ""),
        ("server_seed", "é" * 64),
        ("commitment", nibble + receipt.commitment[1:]),
        ("commitment", ""),
        ("client_seed", receipt.client_seed + "x"),
        ("client_seed", ""),
        ("client_seed", "a:b"),
        ("nonce", receipt.nonce + 1),
        ("nonce", 0),
        ("draws", receipt.draws[:-1]),
        ("draws", [*receipt.draws, receipt.draws[-1]]),
        ("draws", []),
    ]:
        yield f"{name}={value!r:.20}", replace(receipt, **{name: value})


def wrong_state(receipt: GachaReceipt) -> Iterator[tuple[str, GachaReceipt]]:
    """The state before, changed so that it matters to one of the draws."""
    for name, value in [("Legendary", 0), ("Legendary", 90), ("Epic", 1), ("guaranteed", False)]:
        yield f"{name}={value}", replace(receipt, state_before=replace(receipt.state_before, **{name: value}))


def wrong_tables(receipt: GachaReceipt) -> Iterator[tuple[str, GachaReceipt]]:
    """The table, changed so that it matters to one of the draws."""
    table, pity, items, weights = (
        receipt.table,
        receipt.table.pity,
        receipt.table.items,
        receipt.table.weights_ppm,
    )
    legendary = pity.Legendary
    assert legendary is not None and legendary.soft is not None
    later, smaller = SoftPity(from_draw=84, step_ppm=60_000), SoftPity(from_draw=74, step_ppm=50_000)
    for name, changed in [
        ("weights", replace(table, weights_ppm=replace(weights, Legendary=20_000, Common=580_000))),
        ("weights moved", replace(table, weights_ppm=replace(weights, Epic=10_000, Common=640_000))),
        ("hard pity", replace(table, pity=replace(pity, Epic=None))),
        ("soft pity begins", replace(table, pity=replace(pity, Legendary=replace(legendary, soft=later)))),
        ("soft pity step", replace(table, pity=replace(pity, Legendary=replace(legendary, soft=smaller)))),
        ("rate-up", replace(table, rate_up=None)),
        ("unlimited", replace(table, stock=replace(table.stock, Epic=None))),
        ("limited", replace(table, stock=replace(table.stock, Rare=5))),
        ("near miss", replace(table, near_miss_ppm=0)),
        ("near miss wider", replace(table, near_miss_ppm=300_000)),
        ("order of items", replace(table, items=replace(items, Epic=items.Epic[::-1]))),
        ("no items", replace(table, items=replace(items, Epic=()))),
        ("item's name", replace(table, items=replace(items, Rare=(replace(items.Rare[0], id="x"), *items.Rare[1:])))),
        ("featured", replace(table, items=replace(items, Legendary=tuple(
            replace(item, featured=not item.featured) for item in items.Legendary)))),
    ]:  # fmt: skip
        yield name, replace(receipt, table=changed)


def wrong_draws(receipt: GachaReceipt) -> Iterator[tuple[str, GachaReceipt]]:
    """One field of one draw, changed in every draw and field."""
    for index, draw in enumerate(receipt.draws):
        others: dict[str, Any] = {
            "rarity": "Rare" if draw.rarity != "Rare" else "Epic",
            "item_id": "something_else",
            "near_miss": not draw.near_miss,
            "hard_pity": not draw.hard_pity,
            "guaranteed": not draw.guaranteed,
            "downgraded_from": None if draw.downgraded_from else "Legendary",
            "stock_seen": 3 if draw.stock_seen is None else None,
        }
        assert set(others) == set(DrawRecord.__struct_fields__)
        for name, value in others.items():
            yield f"draw {index}: {name}", _with_draw(receipt, index, **{name: value})
        if draw.stock_seen == 0:
            yield f"draw {index}: stock 0 -> 1", _with_draw(receipt, index, stock_seen=1)
            yield f"draw {index}: stock 0 -> -1", _with_draw(receipt, index, stock_seen=-1)
        elif draw.stock_seen:
            yield f"draw {index}: stock -> 0", _with_draw(receipt, index, stock_seen=0)
            yield f"draw {index}: stock + 1", _with_draw(receipt, index, stock_seen=draw.stock_seen + 1)


def _with_draw(receipt: GachaReceipt, index: int, **changes: Any) -> GachaReceipt:
    draws = list(receipt.draws)
    draws[index] = replace(draws[index], **changes)
    return replace(receipt, draws=draws)


@pytest.mark.parametrize("change", [wrong_fields, wrong_state, wrong_tables, wrong_draws])
def test_given_a_receipt_of_ten_draws_when_one_field_is_changed_then_it_is_found(
    examples: list[GachaReceipt], change: Any
) -> None:
    missed = [name for name, receipt in change(examples[1]) if not verify_receipt(receipt)]

    assert missed == []


@pytest.mark.parametrize("change", [wrong_fields, wrong_draws])
def test_given_a_receipt_of_one_draw_when_one_field_is_changed_then_it_is_found(
    examples: list[GachaReceipt], change: Any
) -> None:
    """But for what leads to the same item by chance, as another client seed here does."""
    missed = [name for name, receipt in change(examples[0]) if not verify_receipt(receipt)]
    missed = [name for name in missed if not name.startswith("client_seed='42x'")]

    assert missed == []


def test_given_two_draws_that_are_swapped_when_verified_then_both_are_named(
    examples: list[GachaReceipt],
) -> None:
    draws = list(examples[1].draws)
    draws[1], draws[3] = draws[3], draws[1]

    problems = verify_receipt(replace(examples[1], draws=draws))

    assert any(problem.startswith("draw 2:") for problem in problems)
    assert any(problem.startswith("draw 4:") for problem in problems)


def test_given_a_live_seed_when_its_receipt_is_verified_then_the_problem_says_to_rotate_it(
    examples: list[GachaReceipt],
) -> None:
    (problem,) = verify_receipt(replace(examples[0], server_seed=None))

    assert "rotate" in problem
