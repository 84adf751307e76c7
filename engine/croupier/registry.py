"""The commands and queries there are. Adding a command is a Lua file, its structs, its declaration, and a line here."""

import re
from typing import Any

from croupier.action import Action
from croupier.actions.record import RECORD
from croupier.admin.events import EVENTS
from croupier.admin.kafka import KAFKA_HEALTH
from croupier.admin.odds import ODDS as OBSERVED
from croupier.admin.olap import OLAP_HEALTH
from croupier.admin.players import PLAYER_STATE
from croupier.admin.pools import POOLS
from croupier.admin.sync import SYNC
from croupier.analytics.funnel import FUNNEL
from croupier.analytics.odds import ODDS as DRAWN
from croupier.analytics.retention import RETENTION
from croupier.analytics.rtp import RTP
from croupier.batch import Batch
from croupier.command import Command
from croupier.contracts import ScriptError
from croupier.crash import queries as crash
from croupier.crash.bet import BET
from croupier.crash.cashout import CASHOUT
from croupier.crash.current import CURRENT
from croupier.crash.settle import SETTLE
from croupier.fairness.queries import FAIRNESS, RECEIPT
from croupier.fairness.rotate import ROTATE
from croupier.frame import Frame
from croupier.gacha.pull import PULL
from croupier.gacha.queries import BANNERS, ODDS, STATS
from croupier.history import HISTORY, LEDGER
from croupier.notifications import BROADCAST, NOTIFICATIONS, READ, SEND
from croupier.ops import OP
from croupier.query import Query
from croupier.rewards.bulk import GRANT_BULK
from croupier.rewards.distribute import DISTRIBUTE
from croupier.rewards.queries import REWARDS
from croupier.rps import queries as rps
from croupier.rps.play import PLAY
from croupier.scripts import Scripts
from croupier.sessions.end import END
from croupier.sessions.start import START
from croupier.slot import queries as slot
from croupier.slot.spin import SPIN
from croupier.stats import GAME_STATS, PROFILE_STATS, USER_STATS
from croupier.tickets import TICKET
from croupier.wallet import WALLET
from croupier_schemas import keys

COMMANDS: tuple[Command[Any, Any, Any], ...] = (
    PULL,
    ROTATE,
    BET,
    CASHOUT,
    SPIN,
    PLAY,
    DISTRIBUTE,
    START,
    END,
    RECORD,
)
BATCHES: tuple[Batch[Any, Any], ...] = (GRANT_BULK,)
ACTIONS: tuple[Action[Any, Any], ...] = (TICKET, SEND, BROADCAST, READ)
INTERNAL: tuple[Command[Any, Any, Any], ...] = (SETTLE,)
"""Commands that the engine gives itself; they have no route."""

QUERIES: tuple[Query[Any, Any], ...] = (
    BANNERS, ODDS, STATS, crash.ODDS, CURRENT, slot.ODDS, rps.ODDS, WALLET, LEDGER, HISTORY, GAME_STATS, USER_STATS,
    PROFILE_STATS, REWARDS, FAIRNESS, RECEIPT, OP, POOLS, OBSERVED, PLAYER_STATE, EVENTS, SYNC, NOTIFICATIONS,
    FUNNEL, DRAWN, RTP, RETENTION, KAFKA_HEALTH, OLAP_HEALTH,
)  # fmt: skip

_ALWAYS = {"not_after_ms", "clock_ms", "idempotency_ms", "request", "nonce_floor", "entry", "header"}
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
    for command in (*COMMANDS, *INTERNAL):
        script = scripts[command.name]
        missing = _ALWAYS - {argument.name for argument in script.arguments}
        if missing:
            raise ScriptError(
                f"{command.name}: the stages gate, player and commit are needed; without them there is no "
                f"{', '.join(sorted(missing))}"
            )
        own = [argument for argument in script.arguments if argument.name not in Frame._fields]
        declared = tuple(argument.name for argument in own)
        if declared != command.arguments._fields:
            raise ScriptError(
                f"{command.name}: the script declares the arguments {declared}, "
                f"and {command.arguments.__name__} has {command.arguments._fields}"
            )
        for argument in own:
            kind = command.arguments.__annotations__[argument.name]
            if (argument.kind == "int") is not (kind is int):
                raise ScriptError(
                    f"{command.name}: argument {argument.name} is {argument.kind} in Lua and {kind} in Python"
                )
        if ("rate_minute" in {argument.name for argument in script.arguments}) is not bool(command.scope):
            raise ScriptError(
                f"{command.name}: a rate limit in the script needs a scope, and a scope a rate limit"
            )
        if ("allow-oom" in script.flags) is not command.ends:
            raise ScriptError(
                f"{command.name}: what ends something has the flag allow-oom, and nothing else does"
            )
        unknown = set(command.refusals) - set(script.errors)
        if unknown:
            raise ScriptError(f"{command.name}: the script never answers {', '.join(sorted(unknown))}")
