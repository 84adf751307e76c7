"""From rolls to a spin of the slot machine."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from croupier.fairness.rolls import rolls
from croupier_schemas.economy import Pays, Slot
from croupier_schemas.fairness import SlotReceipt
from croupier_schemas.slot import SlotLine

_LINES: Final = ((0, 0, 0), (1, 1, 1), (2, 2, 2), (0, 1, 2), (2, 1, 0))
_NOTHING: Final = Pays(two=0, three=0)


def problems(receipt: SlotReceipt, server_seed: str) -> Iterator[str]:
    """What is wrong with a spin, one sentence for each."""
    table, bet = receipt.table, receipt.bet
    if not table.bet_min <= bet <= table.bet_max or bet % table.bet_step:
        yield f"bet {bet} is none that the table allows"
    u = rolls(server_seed, receipt.client_seed, receipt.nonce, len(table.reels))
    stops = tuple(math.floor(each * len(reel)) for each, reel in zip(u, table.reels, strict=True))
    lines = list(_lines(table, bet, stops))
    payout = sum(line.payout for line in lines)
    for name, said, found in (
        ("stops", receipt.stops, stops), ("lines", receipt.lines, lines), ("payout", receipt.payout, payout),
    ):  # fmt: skip
        if said != found:
            yield f"{name} is {said!r}, and recomputed it is {found!r}"


def _lines(table: Slot, bet: int, stops: Sequence[int]) -> Iterator[SlotLine]:
    """The lines that pay. Every bet is a multiple of 100, so each pays whole tokens."""
    for number, rows in enumerate(_LINES):
        first, second, third = (
            reel[(stop + row) % len(reel)] for reel, stop, row in zip(table.reels, stops, rows, strict=True)
        )
        if first != second:
            continue
        pays, count = table.paytable.get(first, _NOTHING), 3 if second == third else 2
        percent = pays.three if count == 3 else pays.two
        if percent:
            yield SlotLine(number, first, count, bet * percent // 100)
