"""What can be wrong with any receipt, whatever its game: ids, nonce, seeds and commitment."""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from croupier_schemas.fairness import CrashSettledReceipt, ReceiptCommon

RULES: Final = 1
"""The version of the scripts' semantics that this verifier knows."""

_SERVER_SEED: Final = re.compile(r"[0-9a-f]{64}")
_CLIENT_SEED: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_EVENT_ID: Final = re.compile(r"(0|[1-9][0-9]{0,15})-([1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})")
_NONCES_PER_EPOCH: Final = 1_000_000_000


def form_problems(receipt: ReceiptCommon) -> Iterator[str]:
    """One sentence for each."""
    event_id = _EVENT_ID.fullmatch(receipt.event_id)
    if event_id is None:
        yield f"event_id {receipt.event_id!r} is not partition-epoch-seq"
    elif int(event_id[3]) != receipt.seq:
        yield f"seq is {receipt.seq}, and event_id is {receipt.event_id}"
    elif receipt.nonce <= (int(event_id[2]) - 1) * _NONCES_PER_EPOCH and not _may_be_later(receipt):
        yield f"nonce {receipt.nonce} belongs to an epoch before that of event_id {receipt.event_id}"
    if receipt.nonce < 1:
        yield f"nonce {receipt.nonce} is not a positive number"
    if not _CLIENT_SEED.fullmatch(receipt.client_seed):
        yield "client_seed is not 1 to 32 characters of A-Z a-z 0-9 _ -"
    if receipt.server_seed is not None:
        if not _SERVER_SEED.fullmatch(receipt.server_seed):
            yield "server_seed is not 64 hexadecimal digits in lower case"
        elif hashlib.sha256(receipt.server_seed.encode()).hexdigest() != receipt.commitment:
            yield "the SHA-256 of server_seed is not the commitment"


def _may_be_later(receipt: ReceiptCommon) -> bool:
    """Whether the event may be of a later epoch than its nonce: a bet's round may be settled in the next one."""
    return isinstance(receipt, CrashSettledReceipt)
