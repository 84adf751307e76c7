"""The commands and queries there are. Adding a command is a Lua file, its structs, its declaration, and a line here."""

import re
from typing import Any

from croupier.command import Command
from croupier.fairness.queries import FAIRNESS, RECEIPT
from croupier.fairness.rotate import ROTATE
from croupier.frame import Frame
from croupier.gacha.pull import PULL
from croupier.gacha.queries import BANNERS, ODDS, STATS
from croupier.history import HISTORY, LEDGER
from croupier.query import Query
from croupier.scripts import ScriptError, Scripts
from croupier.wallet import WALLET
from croupier_schemas import keys

COMMANDS: tuple[Command[Any, Any, Any], ...] = (PULL, ROTATE)
QUERIES: tuple[Query[Any, Any], ...] = (BANNERS, ODDS, STATS, WALLET, LEDGER, HISTORY, FAIRNESS, RECEIPT)

_PLACEHOLDER = re.compile(r"<\w+>")


def check(scripts: Scripts) -> None:
    """Compare the scripts' contracts with the Python side. Raises ScriptError where they differ."""
    patterns = {_PLACEHOLDER.sub("<>", pattern) for pattern in keys.PATTERNS}
    for name in scripts.names():
        for key in scripts[name].keys:
            if _PLACEHOLDER.sub("<>", key.pattern.removesuffix("...")) not in patterns:
                raise ScriptError(
                    f"{name}: key {key.name} has the pattern {key.pattern}, which no other part knows"
                )
    for command in COMMANDS:
        script = scripts[command.name]
        frame = tuple(argument.name for argument in script.arguments[: len(Frame._fields)])
        if frame != Frame._fields:
            raise ScriptError(
                f"{command.name}: the stages gate, player and commit must come first; there is {frame}"
            )
        declared = tuple(argument.name for argument in script.own_arguments)
        if declared != command.arguments._fields:
            raise ScriptError(
                f"{command.name}: the script declares the arguments {declared}, "
                f"and {command.arguments.__name__} has {command.arguments._fields}"
            )
        for argument in script.own_arguments:
            kind = command.arguments.__annotations__[argument.name]
            if (argument.kind == "int") is not (kind is int):
                raise ScriptError(
                    f"{command.name}: argument {argument.name} is {argument.kind} in Lua and {kind} in Python"
                )
        unknown = set(command.refusals) - set(script.errors)
        if unknown:
            raise ScriptError(f"{command.name}: the script never answers {', '.join(sorted(unknown))}")
