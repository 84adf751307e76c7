"""Recomputes an outcome from its receipt alone, as a stranger would: the steps of `docs/fairness.md`.

Nothing of the engine is used here but the types of a receipt, and `croupier.fairness.rolls` and `croupier.gacha.draw`,
which use no more than these. What one receipt cannot show stays to be checked elsewhere: that the commitment was known
before, that no nonce was skipped or used twice, that the table is the one disclosed to everybody for that version of
the economy, that the state before a pull is what the pull before left, that the stock seen agrees with the event log,
and that bet and settlement of a round of crash agree with each other.
"""

from collections.abc import Iterator

from croupier.fairness.verify import crash, gacha, rps, slot
from croupier.fairness.verify.form import RULES, form_problems
from croupier_schemas.fairness import CrashSettledReceipt, GachaReceipt, ReceiptReply, RpsReceipt, SlotReceipt


def verify_receipt(receipt: ReceiptReply) -> list[str]:
    """Every problem of a receipt, one sentence each; an empty list means that it is verified.

    What happened is compared, field by field, with what seeds, nonce and the other members of the receipt give.
    """
    if receipt.rules != RULES:
        return [f"this verifier knows rules {RULES}, not {receipt.rules}"]
    problems = list(form_problems(receipt))
    if receipt.server_seed is None:
        problems.append("the server seed is not revealed yet: rotate it, then ask for the receipt again")
    elif not problems:
        problems += _outcome_problems(receipt, receipt.server_seed)
    return problems


def remarks(receipt: ReceiptReply) -> list[str]:
    """What is to be known of a receipt besides its problems: that its outcome was forced, and so is not random."""
    return list(rps.remarks(receipt)) if isinstance(receipt, RpsReceipt) else []


def _outcome_problems(receipt: ReceiptReply, server_seed: str) -> Iterator[str]:
    match receipt:
        case GachaReceipt():
            return gacha.problems(receipt, server_seed)
        case SlotReceipt():
            return slot.problems(receipt, server_seed)
        case RpsReceipt():
            return rps.problems(receipt, server_seed)
        case CrashSettledReceipt():
            return crash.settlement_problems(receipt, server_seed)
        case _:
            return crash.bet_problems(receipt)
