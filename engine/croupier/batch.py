"""What a batch is: one request that runs a command many times. Each item succeeds or fails by itself."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec
import structlog

from croupier.command import Caller, Command, Outcome
from croupier.errors import CroupierError

if TYPE_CHECKING:
    from croupier.engine import Engine

Item = TypeVar("Item", bound=msgspec.Struct)
ItemReply = TypeVar("ItemReply", bound=msgspec.Struct)

CONCURRENCY = 64
"""Items of one batch that are under way at once, so that it leaves room for the commands of players."""

log = structlog.get_logger(__name__)


class Unusable(NamedTuple):
    """An item that is no request of the command. `uid` is the player that it names, as far as it does."""

    uid: int | None
    error: CroupierError


class Attempt(NamedTuple, Generic[ItemReply]):
    """What came of one item. `op_id` is empty where no command was given."""

    uid: int | None
    op_id: bytes
    outcome: Outcome[ItemReply] | CroupierError


@dataclass(frozen=True, kw_only=True)
class Batch(Generic[Item, ItemReply]):
    """Many runs of one command of an admin in one request.

    `request` is a struct whose only member, `items`, is a list of the command's requests. `keyed` gives an item the
    idempotency key that it has by its place in the request, if it has none of its own. `answer` makes the reply from
    what came of the items, in their order.
    """

    name: str
    path: str
    summary: str
    description: str
    command: Command[Item, Any, ItemReply]
    request: type[msgspec.Struct]
    reply: type[msgspec.Struct]
    keyed: Callable[[Item, str], Item]
    answer: Callable[[Sequence[Attempt[ItemReply]]], msgspec.Struct]
    items_max: int
    body_bytes_max: int
    example: msgspec.Struct | None = None


async def run_batch(
    engine: "Engine",
    batch: Batch[Item, ItemReply],
    caller: Caller,
    items: Sequence[Item | Unusable],
    new_op_id: Callable[[], bytes],
) -> list[Attempt[ItemReply]]:
    """Run the command for each usable item. What came of them, in their order; raises nothing for a single one.

    With the caller's idempotency key K, item i (from 0) has the key `K:i`: the same request again does nothing twice.
    """
    turns, command = asyncio.Semaphore(CONCURRENCY), batch.command
    # Items under one key come one after the other, so that it is the first that counts.
    in_order: defaultdict[tuple[int, str], asyncio.Lock] = defaultdict(asyncio.Lock)
    assert command.player is not None
    player = command.player

    async def attempt(place: int, item: Item | Unusable) -> Attempt[ItemReply]:
        if isinstance(item, Unusable):
            return Attempt(item.uid, b"", item.error)
        if caller.idempotency_key:
            item = batch.keyed(item, f"{caller.idempotency_key}:{place}")
        op_id = new_op_id()
        each = Caller(caller.uid, caller.tier, caller.role, op_id)
        key = command.key(each, item) or op_id.hex()
        async with in_order[player(item), key], turns:
            try:
                return Attempt(player(item), op_id, await engine.execute(command, each, item))
            except CroupierError as error:
                return Attempt(player(item), op_id, error)
            except Exception as error:  # the others are to be told what came of theirs
                log.error("item of a batch failed", batch=batch.name, op_id=op_id.hex(), exc_info=error)
                return Attempt(player(item), op_id, CroupierError("INTERNAL"))

    return await asyncio.gather(*(attempt(place, item) for place, item in enumerate(items)))
