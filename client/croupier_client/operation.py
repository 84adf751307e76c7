"""What an operation is: one thing that a server can be asked for."""

import re
from collections.abc import Callable
from typing import Final, Generic, Literal, ParamSpec, TypeVar

import msgspec

P = ParamSpec("P")
Reply = TypeVar("Reply")

Kind = Literal["command", "batch", "action", "query"]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


class Operation(Generic[P, Reply]):
    """One thing that can be asked for.

    `request` makes the arguments. Those that `path` names stand there; the others in the body, or for a query in the
    query string. Commands and batches take an idempotency key and so may be repeated; queries may be anyway, and of the
    actions those that are `repeatable`. `emits` is the type of a command's event, which has the reply as its result.
    """

    def __init__(
        self,
        name: str,
        path: str,
        request: Callable[P, msgspec.Struct],
        reply: type[Reply],
        summary: str,
        *,
        kind: Kind = "query",
        emits: str = "",
        repeatable: bool = True,
    ) -> None:
        self.name: Final = name
        self.path: Final = path
        self.request: Final = request
        self.reply: Final = reply
        self.summary: Final = summary
        self.kind: Final = kind
        self.emits: Final = emits
        self.repeatable: Final = repeatable
        self.keyed: Final = kind in ("command", "batch")
        self.placeholders: Final = tuple(_PLACEHOLDER.findall(path))
        self.from_json: Final = msgspec.json.Decoder(reply).decode
        self.from_msgpack: Final = msgspec.msgpack.Decoder(reply).decode
        self.from_socket: Final = {"croupier.json": self.from_json, "croupier.msgpack": self.from_msgpack}

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


def command(
    name: str,
    path: str,
    request: Callable[P, msgspec.Struct],
    reply: type[Reply],
    emits: str,
    summary: str,
) -> Operation[P, Reply]:
    """A command; `emits` as in `Operation`."""
    return Operation(name, path, request, reply, summary, kind="command", emits=emits)
