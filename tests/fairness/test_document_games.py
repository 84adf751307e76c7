"""The vectors of docs/fairness.md for slot machine, rock, paper, scissors, and crash, recomputed from its text."""

import math
from decimal import Decimal, localcontext
from typing import Any

import msgspec
import pytest

from croupier.fairness.verify import crash as product
from croupier.fairness.verify import verify_receipt
from croupier_schemas.fairness import ReceiptReply
from tests.fairness.document import TEXT, receipts, rows, server_seed
from tests.model import crash, fairness, rps, slot

GAMES = [
    *receipts("slot receipt"),
    *receipts("rps receipt"),
    *receipts("crash receipt"),
]
SETTLED = [each for each in receipts("crash receipt") if each["type"] == "crash.settled"]


def rolls_of(receipt: dict[str, Any], count: int) -> list[float]:
    return fairness.rolls(server_seed(), receipt["client_seed"], receipt["nonce"], count)


@pytest.mark.parametrize("receipt", GAMES, ids=lambda receipt: f"{receipt['type']} {receipt['seq']}")
def test_given_the_documents_receipts_when_verified_then_there_is_no_problem(receipt: dict[str, Any]) -> None:
    assert receipt["server_seed"] == server_seed()
    assert verify_receipt(msgspec.convert(receipt, ReceiptReply)) == []


def test_given_the_documents_spin_when_made_by_the_model_then_every_step_is_right() -> None:
    (receipt,) = receipts("slot receipt")
    u = rolls_of(receipt, 3)
    strips = receipt["table"]["reels"]

    spun = slot.spin(receipt["table"], receipt["bet"], u)

    assert (list(spun.stops), spun.lines, spun.payout) == (
        receipt["stops"], receipt["lines"], receipt["payout"],
    )  # fmt: skip
    for i, row in enumerate(rows("stops")):
        assert int(row["roll i"]) == i
        assert int(row["13 digits"], 16) / 2**52 == float(row["u"]) == u[i]
        assert row["stop"] == f"{math.floor(u[i] * len(strips[i]))} of {len(strips[i])}"
        assert row["rows 0, 1, 2"] == ", ".join(spun.reels[i])


def test_given_the_documents_lines_when_a_symbol_fills_them_then_the_model_pays_on_those_lines() -> None:
    """The table of lines in the text, against the model: on a window of which only one line's symbols are equal."""
    text = TEXT.split("| line | reel 0 | reel 1 | reel 2 |\n")[1].split("\n\n")[0]
    lines = [[int(cell) for cell in line.strip(" |").split("|")] for line in text.splitlines()[1:]]
    assert [number for number, *_ in lines] == [0, 1, 2, 3, 4]
    paytable = {name: {"two": 0, "three": 100} for name in ("x", *"abcdefghi")}

    for number, *places in lines:
        names = iter("abcdefghi")
        reels = [[next(names) if row != place else "x" for row in range(3)] for place in places]
        spun = slot.at({"reels": reels, "paytable": paytable}, 100, (0, 0, 0))
        assert [line["line"] for line in spun.lines] == [number]


def test_given_the_documents_moves_when_recomputed_then_doubles_and_whole_numbers_agree() -> None:
    for row in rows("moves"):
        n = int(row["13 digits"], 16)
        assert math.floor(n / 2**52 * 3) == int(row["floor(3 × u)"]) == 3 * n // 2**52
        assert rps.MOVES[int(row["floor(3 × u)"])] == row["server's move"]


def test_given_the_documents_game_of_rock_paper_scissors_when_played_by_the_model_then_it_is_equal() -> None:
    (receipt,) = receipts("rps receipt")
    (u,) = rolls_of(receipt, 1)

    played = rps.play(receipt["player_move"], receipt["bet"], receipt["table"]["win_percent"], u)

    assert played[:3] == (receipt["server_move"], receipt["outcome"], receipt["payout"])
    assert f"u = {u!r}, so the server's move is floor(3 × u) = {rps.MOVES.index(played.server_move)}" in TEXT


@pytest.mark.parametrize("point", [crash.crash_m100, product.crash_point_m100], ids=["model", "product"])
def test_given_the_documents_crash_points_when_recomputed_then_each_column_is_right(point: Any) -> None:
    differ = 0
    for row in rows("crash points"):
        n, cap = int(row["13 digits"], 16), int(row["cap"])
        assert math.floor(99 / (1 - n / 2**52)) == int(row["floor(99 / (1 − u))"])
        assert 99 * 2**52 // (2**52 - n) == int(row["in whole numbers"])
        assert point(n / 2**52, cap) == int(row["crash point"])
        differ += row["floor(99 / (1 − u))"] != row["in whole numbers"]
    assert differ >= 1


def test_given_the_documents_multipliers_when_recomputed_then_each_column_is_right() -> None:
    for row in rows("multipliers"):
        growth, elapsed_ms, cap = (int(row[name]) for name in ("growth_ppm", "elapsed_ms", "cap"))
        with localcontext(prec=50):
            exact = 100 * (Decimal(growth) * elapsed_ms / 10**9).exp()
        shown = row["100 × e^x"]
        assert exact > cap if shown == "beyond the cap" else shown == f"{exact:.15f}"
        multiplier = int(row["multiplier"])
        assert multiplier == min(cap, math.floor(exact))
        assert product.multiplier_m100(growth, elapsed_ms, cap) == multiplier
        assert crash.m100(growth, cap, elapsed_ms) == multiplier


def test_given_the_documents_rounds_when_judged_by_the_model_then_each_column_is_right() -> None:
    for row, receipt in zip(rows("rounds"), SETTLED, strict=True):
        bet = crash.Bet(
            *(receipt[name] for name in ("bet", "target_m100", "cap_m100", "growth_ppm", "started_at_ms"))
        )
        (u,) = rolls_of(receipt, 1)
        point = crash.crash_m100(u, bet.cap)
        elapsed_ms = receipt["elapsed_ms"]

        outcome, paid, payout = crash.judge(bet, point, bet.started_at_ms + elapsed_ms, cashing_out=True)

        assert (outcome, paid or None, payout) == (
            receipt["outcome"],
            receipt["paid_m100"],
            receipt["payout"],
        )
        assert list(row.values()) == [
            outcome, str(receipt["nonce"]), repr(u), str(point), str(bet.target), str(elapsed_ms),
            str(crash.m100(bet.growth, bet.cap, elapsed_ms)), str(paid or ""), str(payout),
        ]  # fmt: skip


def test_given_the_documents_bet_when_compared_with_its_settlement_then_they_agree() -> None:
    bet, settled = receipts("crash receipt")[:2]

    assert bet["type"] == "crash.bet_placed" and settled["type"] == "crash.settled"
    own = {"event_id", "seq", "time", "type"}
    assert {name: bet[name] for name in bet.keys() - own} == {
        name: settled[name] for name in bet.keys() - own
    }
