"""A command under way: what was asked, and what its attempts have shown so far."""

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from croupier.command import Caller, Command, Context
from croupier.errors import CroupierError
from croupier.fairness.seeds import ServerSeed
from croupier.partition import PARTITIONS
from croupier.transport import Reply as Answer
from croupier.views import View

if TYPE_CHECKING:
    from croupier.calls import Call

Request = TypeVar("Request", bound=msgspec.Struct)
Terms = TypeVar("Terms", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)

encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Run(Generic[Request, Terms, Reply]):
    """`deadline_ms` is on this process' own clock. `key` is the idempotency key as Redis has it; empty: none.

    `answer` is what the script answers to the attempt that is on its way; None while none is. `call` is that attempt,
    made from `view` and `context`; `terms` are what it asks for, or `refused` is why it only asks what was done.
    """

    __slots__ = (
        "answer", "call", "caller", "clock_corrected", "command", "context", "deadline_ms", "key", "partition",
        "refused", "request", "request_hash", "seed", "terms", "uid", "view",
    )  # fmt: skip

    call: "Call"
    context: Context
    view: View

    def __init__(
        self, command: Command[Request, Terms, Reply], caller: Caller, request: Request, deadline_ms: int
    ) -> None:
        self.command = command
        self.caller = caller
        self.request = request
        self.deadline_ms = deadline_ms
        self.uid = uid = command.player(request) if command.player else caller.uid
        self.partition = uid % PARTITIONS
        self.key = key = command.key(caller, request)
        self.request_hash = request_hash(command.name, request) if key else b""
        self.seed: ServerSeed | None = None
        self.clock_corrected = False
        self.answer: asyncio.Future[Answer] | None = None
        self.terms: Terms | None = None
        self.refused: CroupierError | None = None

    @property
    def asks_postgres_first(self) -> bool:
        """Whether it may have been done so long ago that only Postgres knows."""
        return bool(self.key) and self.command.forever_key is not None


AnyRun = Run[Any, Any, Any]


def request_hash(name: str, request: msgspec.Struct) -> bytes:
    """What makes two requests the same: the command and its body with all defaults filled in."""
    return hashlib.blake2b(name.encode() + b"\0" + encode(request), digest_size=16).digest()
