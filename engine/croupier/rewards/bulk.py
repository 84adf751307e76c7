"""The batch `rewards.grant_bulk`: many runs of `rewards.distribute` in one request."""

from collections.abc import Sequence

from msgspec.structs import replace

from croupier.batch import Attempt, Batch
from croupier.errors import CroupierError
from croupier.rewards.distribute import DISTRIBUTE
from croupier_schemas.rewards import (
    GRANTS_MAX,
    GrantResult,
    RewardsDistribute,
    RewardsDistributeReply,
    RewardsGrantBulk,
    RewardsGrantBulkReply,
)


def _keyed(item: RewardsDistribute, key: str) -> RewardsDistribute:
    return item if item.key is not None else replace(item, key=key)


def _result(attempt: Attempt[RewardsDistributeReply]) -> GrantResult:
    outcome = attempt.outcome
    if isinstance(outcome, CroupierError):
        op_id = attempt.op_id.hex() or None
        return GrantResult(attempt.uid, "error", error=outcome.code, message=outcome.message, op_id=op_id)
    event_id = outcome.reply.receipt.event_id
    return GrantResult(attempt.uid, "ok", event_id=event_id, replayed=outcome.replayed)


def _answer(attempts: Sequence[Attempt[RewardsDistributeReply]]) -> RewardsGrantBulkReply:
    results = [_result(attempt) for attempt in attempts]
    return RewardsGrantBulkReply(all(result.status == "ok" for result in results), results)


GRANT_BULK = Batch(
    name="rewards.grant_bulk",
    path="/api/admin/rewards/grant-bulk",
    summary="Grant many rewards in one request, each by itself",
    description="An item that cannot be granted does not stop the others. An item's `key` is what makes it be granted "
    "at most once, for ever. Items without one get the key `K:i` from the header `Idempotency-Key: K` and their place "
    "i, from 0: repeat the request unchanged, and nothing is granted twice. An item that has neither is granted again "
    "each time the request is sent.",
    command=DISTRIBUTE,
    request=RewardsGrantBulk,
    reply=RewardsGrantBulkReply,
    keyed=_keyed,
    answer=_answer,
    items_max=GRANTS_MAX,
    body_bytes_max=1024 * 1024,
    example=RewardsGrantBulk([RewardsDistribute(42, "GEMS", 10, "Season 3, rank 1", "season-3-42")]),
)
