"""Running commands for callers that a token names, whichever way they ask: over HTTP or over a WebSocket."""

from collections.abc import Callable
from typing import Any, Final

from croupier.command import Caller, Command, Outcome
from croupier.engine import Engine
from croupier.errors import CroupierError
from croupier.run import AnyRun
from croupier_http.auth import Identity
from croupier_http.decoding import Decoder
from croupier_http.metrics import RATE_LIMIT_HITS, CommandTally
from croupier_http.operations import operation_id


class CommandRunner:
    """Runs one command, and counts what comes of it. `decoder` reads its requests.

    `on_banned` hears of players whom the script refused because they are banned.
    """

    def __init__(self, command: Command[Any, Any, Any], engine: Engine) -> None:
        self.command: Final = command
        self.operation: Final = operation_id(command.path)
        self.decoder: Final = Decoder[Any](command.request)
        self.outcomes: Final = CommandTally(command.name)
        self._for_admins = command.access == "admin"
        self._engine = engine
        self.on_banned: Callable[[int], None] = lambda _uid: None

    def check_access(self, identity: Identity) -> None:
        """Raise CroupierError FORBIDDEN where this caller may not give the command."""
        if self._for_admins and identity.role != "admin":
            raise CroupierError("FORBIDDEN")

    async def run(self, identity: Identity, request: Any, op_id: bytes, key: str) -> Outcome[Any]:
        """`op_id` identifies this attempt in events and logs; `key` is the idempotency key, empty: none.

        Raises CroupierError with the code of the refusal or failure.
        """
        return await self.finish(self.begin(identity, request, op_id, key))

    def begin(self, identity: Identity, request: Any, op_id: bytes, key: str) -> AnyRun:
        """The part of `run` that does not wait. `outcome` or `finish` has to follow, as with `Engine.begin`."""
        caller = Caller(identity.uid, identity.tier, identity.role, op_id, key)
        try:
            return self._engine.begin(self.command, caller, request)
        except CroupierError as error:
            self._count_refusal(error, caller)
            raise

    def outcome(self, run: AnyRun) -> Outcome[Any] | None:
        """What came of a command whose answer is there; None where that takes `finish`."""
        outcome = self._engine.outcome(run)
        if outcome is not None:
            self._count(outcome, run.caller.tier)
        return outcome

    async def finish(self, run: AnyRun) -> Outcome[Any]:
        """The rest of `run`."""
        try:
            outcome = await self._engine.finish(run)
        except CroupierError as error:
            self._count_refusal(error, run.caller)
            raise
        self._count(outcome, run.caller.tier)
        return outcome

    def _count(self, outcome: Outcome[Any], tier: str) -> None:
        if outcome.replayed:
            self.outcomes.replayed()
            return
        self.outcomes.count("ok")
        if outcome.rate_blocked:
            self._count_block(tier)

    def _count_refusal(self, error: CroupierError, caller: Caller) -> None:
        self.outcomes.count(error.code)
        if error.code == "RATE_LIMITED":
            self._count_block(caller.tier)
        elif error.code == "PLAYER_BANNED":
            self.on_banned(caller.uid)

    def _count_block(self, tier: str) -> None:
        RATE_LIMIT_HITS.labels(self.operation, tier).inc()
