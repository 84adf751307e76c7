"""What the calls of one command under one view have in common: made once, and not for each call."""

import struct
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from croupier.command import Command, Context
from croupier.fairness.nonce import nonce_floor
from croupier.frame import Frame
from croupier.scripts import Script

if TYPE_CHECKING:
    from croupier.views import View

NO_RATE = (1, 1, 1)
"""The arguments of a rate limit that refuses nothing."""


class Binding:
    """`places` are those that are the same for every call; the other names are those of `Frame`."""

    __slots__ = ("_command", "_rates", "arguments", "entry", "nonce_floor", "places", "script")

    def __init__(self, command: Command[Any, Any, Any], script: Script, view: "View") -> None:
        self._command = command
        self._rates: dict[str, tuple[int, int, int]] = {}
        self.script = script
        self.arguments = arguments_of(script)
        self.places = {"p": str(view.partition), "fence": view.fence, "game": command.game}
        self.nonce_floor = nonce_floor(view.epoch)
        self.entry = f"{view.epoch}-*"

    def rate(self, context: Context) -> tuple[int, int, int]:
        """The arguments of the stage `rate_limit` for a caller of this tier."""
        tier = context.caller.tier
        if tier not in self._rates:
            self._rates[tier] = _rate(self._command, context)
        return self._rates[tier]


def _rate(command: Command[Any, Any, Any], context: Context) -> tuple[int, int, int]:
    if not command.scope:
        return NO_RATE
    rate = command.rate(context)
    return rate.per_second, rate.per_minute, int(context.economy.economy.rate_limit.mode == "shadow")


def arguments_of(script: Script) -> Callable[[tuple[Any, ...]], list[Any]]:
    """Makes ARGV from the frame's and the command's own arguments: integers packed in front, each in declared order."""
    fields, own = Frame._fields, len(Frame._fields)
    integers: list[int] = []
    texts: list[int] = []
    for argument in script.arguments:
        place = own
        if argument.name in fields:
            place = fields.index(argument.name)
        else:
            own += 1
        (integers if argument.kind == "int" else texts).append(place)
    pack, integers_of, texts_of = (
        struct.Struct(f">{len(integers)}Q").pack,
        itemgetter(*integers),
        itemgetter(*texts),
    )
    return lambda values: [pack(*integers_of(values)), *texts_of(values)]
