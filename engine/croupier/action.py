"""What an action is: a request that changes something outside of the games, and has no script."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import msgspec

from croupier.command import Caller
from croupier.query import Sources

Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)


@dataclass(frozen=True, kw_only=True)
class Action(Generic[Request, Reply]):
    """One declaration, from which route and OpenAPI entry come. `{names}` in the path are members of the request.

    `act` is given what the access token says besides, which is when it expires (Unix time in s).
    """

    name: str
    path: str
    summary: str
    description: str = ""
    request: type[Request]
    reply: type[Reply]
    act: Callable[[Sources, Caller, int, Request], Awaitable[Reply]]
    access: Literal["player", "admin"] = "player"
    errors: tuple[str, ...] = ()
    example: Request | None = None
