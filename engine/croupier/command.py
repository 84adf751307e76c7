"""What a command is: one declaration, from which route, dispatch, OpenAPI entry and metric labels come."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

import msgspec

from croupier.day import Day
from croupier.errors import CroupierError
from croupier.fairness.seeds import MasterKeys, ServerSeed
from croupier.settings import Settings
from croupier_schemas.common import Receipt
from croupier_schemas.economy import Rate, Tier
from croupier_schemas.events import EventId

if TYPE_CHECKING:
    from croupier.gacha.table import CompiledEconomy

Request = TypeVar("Request", bound=msgspec.Struct)
Terms = TypeVar("Terms", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)


IDEMPOTENCY_KEY_PATTERN = "[!-~]{1,255}"
"""Visible ASCII. Space and line feed would also be at home in the names of keys, and are not."""

_is_idempotency_key = re.compile(IDEMPOTENCY_KEY_PATTERN).fullmatch


def check_idempotency_key(key: str) -> None:
    """Raise CroupierError VALIDATION_ERROR where the key is not of the allowed form."""
    if not _is_idempotency_key(key):
        details = {
            "field": "Idempotency-Key",
            "allowed": "1 to 255 visible ASCII characters",
            "received": key[:64].encode("ascii", "backslashreplace").decode(),
        }
        raise CroupierError("VALIDATION_ERROR", "Idempotency-Key: not a usable key", details=details)


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Who asks. `op_id` is 16 bytes, new for each call; `idempotency_key` is empty where the client sent none."""

    uid: int
    tier: Tier | Literal[""]
    role: str
    op_id: bytes
    idempotency_key: str = ""


SYSTEM_ROLE = "system"
"""The role of what the engine does by itself, such as settling a bet that nobody cashed out. It has no tier."""


class Context(msgspec.Struct, frozen=True, gc=False):
    """What a command's declaration may use to bind its script's arguments.

    `uid` is the player whom the command is about: the caller, but for what admins do to players. `seed` is the player's
    server seed once the script has asked for it; before, None.
    """

    caller: Caller
    uid: int
    economy: "CompiledEconomy"
    now_ms: int
    day: Day
    master_keys: MasterKeys
    installation: str
    seed: ServerSeed | None
    settings: Settings


class NoTerms(msgspec.Struct, frozen=True, array_like=True):
    """The terms of a command whose result says everything."""


class Done(msgspec.Struct, frozen=True, gc=False):
    """A script's reply: the event that it appended, or that the first call with this idempotency key appended.

    `op_id` is that of the call that did it. `event` is None where there was nothing left to do, and the reply says how
    things stand. `rate_blocked` says that in the mode `enforce` a rate limit would have refused it.

    `images` are the records as the command left them, in the order in which the script declares them.
    """

    event: EventId | None
    op_id: bytes
    ts_ms: int
    created: bool
    rate_blocked: bool
    economy: str
    images: tuple[bytes, ...]
    result: bytes
    replayed: bool


class Errand(NamedTuple):
    """A command that the engine gives itself, as `caller`."""

    command: "Command[Any, Any, Any]"
    caller: Caller
    request: msgspec.Struct


class Outcome(NamedTuple, Generic[Reply]):
    """What came of a command. `replayed`: it repeats an earlier call. `rate_blocked` as in `Done`."""

    reply: Reply
    replayed: bool
    rate_blocked: bool


@dataclass(frozen=True, kw_only=True)
class Command(Generic[Request, Terms, Reply]):
    """One state change that a client can ask for.

    `name` is the script's: `gacha.pull` is `gacha/pull.lua`. `arguments` names the script's own arguments, in order.
    `terms` decides what the script is asked to do, as far as its result does not say; `bind` makes the arguments from
    that, and `places` fills the key patterns. `render` makes the reply from the terms, the script's reply and the
    economy it ran under, and from nothing else, so that a replay is equal to the last byte. `refusals` turns a
    refusal's values into the fields of its error.

    `scope` is the rate limit it counts in, if any. `player` tells whom a command of an admin is about. `forever_key`
    names what is done at most once, ever: a repeat answers as the first time, after whatever has happened since; an
    empty name is not remembered. `strict` says whether to answer only when Postgres has the event, also where the other
    commands need not wait for that. `ends` is set where it ends what a player has begun, or pays out: that goes on
    while there is no room for what begins. A command without `path` is one that the engine gives itself. `first` says,
    by the code that the script answers, what the engine has to do first, under a new operation id; then the script runs
    again.
    """

    name: str
    path: str
    summary: str
    description: str = ""
    request: type[Request]
    reply: type[Reply]
    arguments: type[NamedTuple]
    bind: "Callable[[Context, Request, Terms], tuple[bytes | str | int, ...]]"
    render: "Callable[[CompiledEconomy, Terms, Done], Reply]"
    terms_type: type[Terms]
    terms: Callable[[Context, Request], Terms]
    places: Callable[[Request], dict[str, str]] = field(default=lambda _: {})
    refusals: dict[str, Callable[[Context, Terms, list[int]], dict[str, object]]] = field(
        default_factory=dict
    )
    errors: tuple[str, ...] = ()
    scope: Literal["games", "cashout", ""] = "games"
    access: Literal["player", "admin"] = "player"
    player: Callable[[Request], int] | None = None
    forever_key: Callable[[Caller, Request], str] | None = None
    strict: Callable[[Settings], bool] = field(default=lambda _: False)
    ends: bool = False
    first: dict[str, Callable[[Context, Terms, list[bytes], bytes], Errand]] = field(default_factory=dict)
    example: Request | None = None

    @cached_property
    def game(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    def key(self, caller: Caller, request: Request) -> str:
        """The idempotency key as Redis and the event have it; empty: none.

        A player's own keys have no space in them, so what is kept under the others cannot be reached by one.
        """
        if self.forever_key is not None:
            name = self.forever_key(caller, request)
            return f"{self.name} {name}" if name else ""
        return caller.idempotency_key

    def waits_for_postgres(self, settings: Settings, caller: Caller) -> bool:
        """Whether this caller is answered only when Postgres has the event. The system itself needs no such answer."""
        return caller.role != SYSTEM_ROLE and (settings.durability == "postgres" or self.strict(settings))

    def rate(self, context: Context) -> Rate:
        """The caller's rate limit in the command's scope. Only for a command that has one."""
        rate: Rate = getattr(getattr(context.economy.economy.rate_limit, self.scope), context.caller.tier)
        return rate


def receipt(done: Done, nonce: int, commitment: bytes) -> Receipt:
    """The receipt of a command that did something. `commitment` is that of the seed that the nonce belongs to."""
    assert done.event is not None
    return Receipt(str(done.event), done.event.seq, done.economy, nonce, commitment.hex())
