"""The slot machine as arguments of its script: every symbol replaced by its index, every constant packed once."""

import struct
from dataclasses import dataclass

from croupier.slot.machine import LINES, ROWS, analyse
from croupier_schemas.economy import Slot


@dataclass(frozen=True)
class CompiledSlot:
    """A slot machine; what the packed arguments mean stands in `slot/spin.lua`.

    `percent_max` is what the best spin pays, in percent of the bet.
    """

    slot: Slot
    reels: tuple[bytes, bytes, bytes]
    lines: bytes
    paytable: bytes
    percent_max: int


def compile_slot(slot: Slot) -> CompiledSlot:
    """Pack the slot machine of an economy that has been checked."""
    symbols = list(slot.paytable)
    first, second, third = (
        # A reel is a ring: with these at its end, the script finds every window in one piece.
        bytes(symbols.index(symbol) for symbol in reel + reel[: ROWS - 1])
        for reel in slot.reels
    )
    return CompiledSlot(
        slot=slot,
        reels=(first, second, third),
        lines=bytes(1 + ROWS * reel + row for line in LINES for reel, row in enumerate(line)),
        paytable=b"".join(struct.pack(">II", pays.two, pays.three) for pays in slot.paytable.values()),
        percent_max=analyse(slot).percent_max,
    )
