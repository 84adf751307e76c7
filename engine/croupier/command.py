"""What a command is: one declaration, from which route, dispatch, OpenAPI entry, metric labels and bench case come."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeVar

import msgspec

from croupier.day import Day
from croupier.errors import CroupierError
from croupier.fairness.seeds import MasterKeys, ServerSeed
from croupier.settings import Settings
from croupier_schemas.common import Receipt
from croupier_schemas.economy import Tier
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
    tier: Tier
    role: str
    op_id: bytes
    idempotency_key: str = ""


class Context(msgspec.Struct, frozen=True, gc=False):
    """What a command's declaration may use to bind its script's arguments.

    `seed` is the player's server seed once the script has asked for it; before, None.
    """

    caller: Caller
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

    `op_id` is that of the call that did it.

    `images` are the records as the command left them, in the order in which the script declares them.
    """

    event: EventId
    op_id: bytes
    ts_ms: int
    created: bool
    economy: str
    images: tuple[bytes, ...]
    result: bytes
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class Command(Generic[Request, Terms, Reply]):
    """One state change that a client can ask for.

    `name` is the script's: `gacha.pull` is `gacha/pull.lua`. `arguments` names the script's own arguments, in order.
    `terms` decides what the script is asked to do, as far as its result does not say; `bind` makes the arguments from
    that, and `places` fills the key patterns. `render` makes the reply from the terms, the script's reply and the
    economy it ran under, and from nothing else, so that a replay is equal to the last byte. `refusals` turns a
    refusal's values into the fields of its error.
    """

    name: str
    path: str
    summary: str
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
    durability: Literal["redis", "postgres"] = "redis"
    example: Request | None = None

    @property
    def game(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


def receipt(done: Done, nonce: int, commitment: bytes) -> Receipt:
    """The receipt of a draw."""
    return Receipt(str(done.event), done.event.seq, done.economy, nonce, commitment.hex())
