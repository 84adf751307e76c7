"""The methods that clients have in common: one per operation of the table, with its arguments and its reply's type."""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from croupier_client import operations as table
from croupier_client.answers import Answer
from croupier_client.operation import Operation
from croupier_client.operations import operation_of

P = ParamSpec("P")
Reply = TypeVar("Reply")


class Runs(Protocol):
    """What can run an operation."""

    def run(self, operation: Operation[P, Reply], arguments: object, /) -> Coroutine[Any, Any, Reply]:
        """Ask for it, until it is answered or the deadline has passed."""


class Asks(Protocol):
    """What can tell all of the answer to a command."""

    def ask(self, operation: Operation[P, Reply], arguments: object, /) -> Coroutine[Any, Any, Answer[Reply]]:
        """As `Runs.run`."""


def _method(operation: Operation[P, Reply]) -> Callable[Concatenate[Runs, P], Coroutine[Any, Any, Reply]]:
    request = operation.request

    def method(self: Runs, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Reply]:
        return self.run(operation, request(*args, **kwargs))

    _describe(method, operation, operation.reply)
    return method


def _answering(
    operation: Operation[P, Reply],
) -> Callable[Concatenate[Asks, P], Coroutine[Any, Any, Answer[Reply]]]:
    request = operation.request

    def method(self: Asks, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Answer[Reply]]:
        return self.ask(operation, request(*args, **kwargs))

    _describe(method, operation, Answer)
    return method


def _describe(method: Any, operation: Operation[..., Any], returned: type[Any]) -> None:
    request = operation.request
    method.__doc__ = (
        f"{operation.summary}\n\nThe arguments are those of `{getattr(request, '__name__', '')}`."
    )
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    arguments = inspect.signature(request).parameters.values()
    method.__signature__ = inspect.Signature([own, *arguments], return_annotation=returned)


class CommandMethods:
    """What can be asked for over HTTP and over a socket."""

    pull = _method(table.PULL)
    spin = _method(table.SPIN)
    play = _method(table.PLAY)
    bet = _method(table.BET)
    cashout = _method(table.CASHOUT)
    start_session = _method(table.START_SESSION)
    end_session = _method(table.END_SESSION)
    rotate = _method(table.ROTATE)
    record_action = _method(table.RECORD_ACTION)
    distribute = _method(table.DISTRIBUTE)


class Answers:
    """The commands of a client or of a stream, with an `Answer` in place of the reply."""

    def __init__(self, asks: Asks) -> None:
        self._asks = asks

    async def ask(self, operation: Operation[P, Reply], arguments: object, /) -> Answer[Reply]:
        """Give a command; `arguments` are its request, or a mapping with what that holds."""
        return await self._asks.ask(operation, arguments)

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None) -> Answer[Any]:
        """A command by its name, such as `gacha.pull`. Raises ValueError for a name that there is not."""
        return await self.ask(operation_of(name), arguments or {})

    pull = _answering(table.PULL)
    spin = _answering(table.SPIN)
    play = _answering(table.PLAY)
    bet = _answering(table.BET)
    cashout = _answering(table.CASHOUT)
    start_session = _answering(table.START_SESSION)
    end_session = _answering(table.END_SESSION)
    rotate = _answering(table.ROTATE)
    record_action = _answering(table.RECORD_ACTION)
    distribute = _answering(table.DISTRIBUTE)


class HttpMethods:
    """What can be asked for over HTTP only."""

    banners = _method(table.BANNERS)
    gacha_odds = _method(table.GACHA_ODDS)
    gacha_stats = _method(table.GACHA_STATS)
    crash_odds = _method(table.CRASH_ODDS)
    crash_current = _method(table.CRASH_CURRENT)
    slot_odds = _method(table.SLOT_ODDS)
    rps_odds = _method(table.RPS_ODDS)
    wallet = _method(table.WALLET)
    ledger = _method(table.LEDGER)
    history = _method(table.HISTORY)
    game_stats = _method(table.GAME_STATS)
    user_stats = _method(table.USER_STATS)
    profile_stats = _method(table.PROFILE_STATS)
    fairness = _method(table.FAIRNESS)
    receipt = _method(table.RECEIPT)
    op = _method(table.OP)
    rewards = _method(table.REWARDS)
    notifications = _method(table.NOTIFICATIONS)
    read_notification = _method(table.READ_NOTIFICATION)
    ticket = _method(table.TICKET)

    grant_bulk = _method(table.GRANT_BULK)
    notify = _method(table.NOTIFY)
    broadcast = _method(table.BROADCAST)
    pools = _method(table.POOLS)
    observed_odds = _method(table.OBSERVED_ODDS)
    player = _method(table.PLAYER)
    events = _method(table.EVENTS)
    sync = _method(table.SYNC)
    servers = _method(table.SERVERS)
    kafka_health = _method(table.KAFKA_HEALTH)
    olap_health = _method(table.OLAP_HEALTH)
    funnel = _method(table.FUNNEL)
    drawn_odds = _method(table.DRAWN_ODDS)
    rtp = _method(table.RTP)
    retention = _method(table.RETENTION)
