"""The verifier of receipts finds every change of a spin, a game of rock, paper, scissors, and a round of crash."""

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from croupier.fairness.verify import verify_receipt
from croupier_schemas.fairness import (
    CrashBetReceipt,
    CrashSettledReceipt,
    ReceiptReply,
    RpsReceipt,
    SlotReceipt,
)
from tests.fairness.document import receipts

Changes = Iterator[tuple[str, Any]]


def example(kind: str, index: int = 0) -> Any:
    """A receipt of docs/fairness.md."""
    return msgspec.convert(receipts(kind)[index], ReceiptReply)


SPIN: SlotReceipt = example("slot receipt")
GAME: RpsReceipt = example("rps receipt")
BET: CrashBetReceipt = example("crash receipt")
CASHED: CrashSettledReceipt = example("crash receipt", 1)
AUTO: CrashSettledReceipt = example("crash receipt", 2)
CRASHED: CrashSettledReceipt = example("crash receipt", 3)


def common_changes(receipt: ReceiptReply) -> Changes:
    """What is wrong with a receipt of any game."""
    seed = receipt.server_seed or ""
    nibble = "0" if seed[0] != "0" else "1"
    yield from [
        ("event_id", f"0-1-{receipt.seq + 1}"),
        ("event_id", "0-1"),
        ("seq", receipt.seq + 1),
        ("rules", 2),
        ("server_seed", None),
        ("server_seed", nibble + seed[1:]),
        ("server_seed", seed.upper()),
        ("commitment", nibble + receipt.commitment[1:]),
        ("client_seed", ""),
        ("client_seed", "a:b"),
        ("nonce", 0),
    ]


def spin_changes() -> Changes:
    table, lines = SPIN.table, SPIN.lines
    yield from common_changes(SPIN)
    yield from [
        ("event_id", f"0-2-{SPIN.seq}"),  # an epoch whose nonces are greater
        ("client_seed", SPIN.client_seed + "x"),
        ("nonce", SPIN.nonce + 1),
        ("bet", 200),
        ("bet", 350),  # no multiple of the step
        ("bet", 0),
        ("stops", (SPIN.stops[0] - 1, *SPIN.stops[1:])),
        ("stops", (*SPIN.stops[:2], SPIN.stops[2] + 1)),
        ("lines", []),
        ("lines", lines[::-1]),
        ("lines", [*lines, lines[0]]),
        ("payout", SPIN.payout + 1),
        ("payout", 0),
        ("table", replace(table, bet_max=200)),
        ("table", replace(table, bet_min=400)),
        ("table", replace(table, bet_step=200)),
    ]
    for index in range(len(lines)):
        for name, value in (("line", 2), ("symbol", "seven"), ("count", 4), ("payout", 1)):
            changed = list(lines)
            changed[index] = replace(lines[index], **{name: value})
            yield "lines", changed
    for reel in range(3):  # another symbol in the window, and one more on the strip
        strips = list(table.reels)
        strips[reel] = tuple("seven" if symbol == "cherry" else symbol for symbol in strips[reel])
        yield "table", replace(table, reels=tuple(strips))
        strips[reel] = ("cherry", *table.reels[reel])
        yield "table", replace(table, reels=tuple(strips))
    cherry = table.paytable["cherry"]
    for pays in (replace(cherry, two=20), replace(cherry, three=101)):
        yield "table", replace(table, paytable=table.paytable | {"cherry": pays})
    yield (
        "table",
        replace(table, paytable={name: each for name, each in table.paytable.items() if name != "cherry"}),
    )


def game_changes() -> Changes:
    table = GAME.table
    yield from common_changes(GAME)
    yield from [
        ("event_id", f"0-2-{GAME.seq}"),
        ("nonce", GAME.nonce + 1),
        ("bet", 74),
        ("bet", 0),
        ("player_move", "ROCK"),
        ("player_move", "SCISSORS"),
        ("server_move", "PAPER"),
        ("server_move", "SCISSORS"),
        ("outcome", "LOSE"),
        ("outcome", "DRAW"),
        ("payout", 144),
        ("payout", 0),
        ("table", replace(table, win_percent=200)),
        ("table", replace(table, bet_max=74)),
        ("table", replace(table, bet_min=76)),
        ("table", replace(table, bet_step=10)),
    ]


def round_changes(receipt: CrashBetReceipt | CrashSettledReceipt) -> Changes:
    yield from common_changes(receipt)
    yield from [
        ("time", receipt.time + datetime.timedelta(milliseconds=1)),
        ("game_id", receipt.game_id[:-1]),
        ("game_id", receipt.game_id.upper()),
        ("bet", 0),
        ("bet", -receipt.bet),
        ("target_m100", 100),
        ("target_m100", receipt.cap_m100 + 1),
        ("cap_m100", receipt.target_m100 - 1),
        ("started_at_ms", receipt.started_at_ms + 1),
        ("started_at_ms", receipt.started_at_ms - 1),
    ]


def bet_changes() -> Changes:
    yield from round_changes(BET)
    yield "event_id", f"0-2-{BET.seq}"


def end_changes(receipt: CrashSettledReceipt) -> Changes:
    yield from round_changes(receipt)
    yield from [
        ("nonce", receipt.nonce + 1),
        ("client_seed", receipt.client_seed + "x"),
        ("elapsed_ms", receipt.elapsed_ms + 1),
        ("elapsed_ms", 0),
        ("crash_m100", (receipt.crash_m100 or 0) + 1),
        ("crash_m100", None),
        ("crash_m100", 100),
        *(("outcome", each) for each in ("cashed", "auto", "crashed") if each != receipt.outcome),
        ("paid_m100", 101),
        ("payout", receipt.payout + 1),
    ]


def cashed_changes() -> Changes:
    yield from end_changes(CASHED)
    yield from [
        ("bet", CASHED.bet + 1),
        ("target_m100", 236),  # reached by then
        ("target_m100", 200),
        ("cap_m100", 281),  # below the crash point
        ("growth_ppm", 60_500),
        ("growth_ppm", 80_000),  # beyond the crash point
        ("paid_m100", None),
        ("payout", 0),
    ]


def auto_changes() -> Changes:
    yield from end_changes(AUTO)
    yield from [
        ("bet", AUTO.bet + 1),
        ("target_m100", 236),
        ("target_m100", 600),  # not reached by then
        ("target_m100", 682),  # beyond the crash point
        ("cap_m100", 680),
        ("growth_ppm", 40_000),  # not reached by then
        ("paid_m100", None),
        ("payout", 0),
    ]


def crashed_changes() -> Changes:
    yield from end_changes(CRASHED)
    yield from [
        ("target_m100", 215),
        ("cap_m100", 214),
        ("growth_ppm", 59_000),  # still running
    ]


ALL: dict[str, tuple[Any, Callable[[], Changes]]] = {
    "spin": (SPIN, spin_changes),
    "game": (GAME, game_changes),
    "bet": (BET, bet_changes),
    "cashed": (CASHED, cashed_changes),
    "auto": (AUTO, auto_changes),
    "crashed": (CRASHED, crashed_changes),
}


@pytest.mark.parametrize("name", list(ALL))
def test_given_a_receipt_when_one_field_is_changed_then_it_is_found(name: str) -> None:
    receipt, changes = ALL[name]

    found = [(field, value, verify_receipt(replace(receipt, **{field: value}))) for field, value in changes()]

    assert [(field, value) for field, value, problems in found if not problems] == []


@pytest.mark.parametrize("name", list(ALL))
def test_given_a_receipt_when_its_fields_are_listed_then_each_was_changed_but_what_nothing_follows_from(
    name: str,
) -> None:
    """The rest is checked outside of a receipt: against other receipts and the disclosed odds."""
    receipt, changes = ALL[name]
    tried = {field for field, _ in changes()}

    rest = set(type(receipt).__struct_fields__) - tried

    assert rest == {
        "spin": {"time", "economy"},
        "game": {"time", "economy", "deterministic"},
        "bet": {"economy", "growth_ppm"},
    }.get(name, {"economy"})


def test_given_a_settlement_in_a_later_epoch_when_verified_then_the_nonce_may_be_of_the_epoch_before() -> (
    None
):
    assert verify_receipt(replace(CASHED, event_id=f"0-2-{CASHED.seq}")) == []


def test_given_a_clock_that_was_set_back_when_the_end_is_verified_then_no_time_has_passed() -> None:
    early = replace(CASHED, time=CASHED.time - datetime.timedelta(days=1), elapsed_ms=0)

    assert verify_receipt(early) != []
    assert verify_receipt(replace(early, paid_m100=100, payout=CASHED.bet)) == []


def test_given_a_round_that_is_settled_after_days_when_verified_then_its_end_is_the_same() -> None:
    """By then e^x is beyond all doubles."""
    days = datetime.timedelta(days=30)
    for receipt in (AUTO, CRASHED):
        elapsed_ms = receipt.elapsed_ms + days // datetime.timedelta(milliseconds=1)
        assert verify_receipt(replace(receipt, time=receipt.time + days, elapsed_ms=elapsed_ms)) == []


def test_given_a_live_seed_when_its_receipt_is_verified_then_the_problem_says_to_rotate_it() -> None:
    for receipt, _ in ALL.values():
        (problem,) = verify_receipt(replace(receipt, server_seed=None))
        assert "rotate" in problem
