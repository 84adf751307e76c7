"""The engine: runs commands as scripts, and repeats those that a stale view, a missing seed or midnight turned away."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import structlog

from croupier import registry
from croupier.calls import Calls
from croupier.command import Caller, Command, Context, Done, Outcome, check_idempotency_key
from croupier.day import DayZone
from croupier.deterministic import InjectedClock
from croupier.doubts import Doubts
from croupier.durability import Durability
from croupier.errors import CroupierError
from croupier.event_log import in_outbox, newest_of
from croupier.failures import failure, refusal
from croupier.fairness.seeds import MasterKeys
from croupier.gacha.table import CompiledEconomy
from croupier.op_id import OpIds
from croupier.partition import PARTITIONS, is_standalone
from croupier.reply import of_event, read_kept, read_reply
from croupier.room import Room
from croupier.run import AnyRun, Run
from croupier.scripts import Scripts
from croupier.settings import Settings, SettingsError
from croupier.transport import NOT_EXECUTED_CODES, OutcomeUnknown, ReplyError, Transport, TransportError
from croupier.views import View, Views
from croupier_schemas import keys
from croupier_schemas.events import Event, EventId

log = structlog.get_logger(__name__)

Request = TypeVar("Request", bound=msgspec.Struct)
Terms = TypeVar("Terms", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)

ATTEMPTS_MAX = 8
"""Each turn of the loop follows a new fact about the server (fence, seed, clock); more than a few is a fault."""

LOOKUPS_MAX = 4
"""Each may read thousands of entries of the outbox, while players wait for Redis."""

REPLY_GRACE_S = 0.5
"""How long after a command's deadline its reply is still waited for: the script has run before the deadline, or not."""


class Engine:
    """Runs commands against one Redis. `clock_ms` is for tests: a server clock, which production never injects."""

    def __init__(
        self,
        transport: Transport,
        settings: Settings,
        durability: Durability | None = None,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self.transport = transport
        self.settings = settings
        self.scripts = Scripts()
        registry.check(self.scripts)
        self.injected_clock = InjectedClock() if settings.deterministic_seed else None
        self.master_keys = MasterKeys.of_settings(settings)
        self.zone = DayZone(settings.day_zone)
        self.op_ids = OpIds(self.now_ms)
        self.doubts = Doubts()
        self.lookups = asyncio.Semaphore(LOOKUPS_MAX)
        self.durability = durability
        self.room = Room(self)
        self._clock_ms = clock_ms or self.injected_clock
        self._server_ahead_ms = int(time.time() * 1000) - _monotonic_ms()
        self.views = Views(
            transport,
            settings.command_timeout_seconds,
            self._server_time_was,
            deterministic=self.injected_clock is not None,
        )
        self._calls = Calls(self, self._clock_ms)
        self._timeout_ms = int(settings.command_timeout_seconds * 1000)

    def now_ms(self) -> int:
        """The server's clock as far as this process knows it, Unix time in ms."""
        return self._now_ms(_monotonic_ms())

    def _now_ms(self, monotonic_ms: int) -> int:
        if self._clock_ms is not None and (injected_ms := self._clock_ms()):
            return injected_ms
        return monotonic_ms + self._server_ahead_ms

    def _server_time_was(self, now_ms: int) -> None:
        """Take over the server's clock; this host's may be wrong, or be set while we run."""
        self._server_ahead_ms = now_ms - _monotonic_ms()

    async def execute(
        self, command: Command[Request, Terms, Reply], caller: Caller, request: Request
    ) -> Outcome[Reply]:
        """Run a command. Raises CroupierError with the code of the refusal or failure."""
        return await self.finish(self.begin(command, caller, request))

    def begin(
        self, command: Command[Request, Terms, Reply], caller: Caller, request: Request
    ) -> Run[Request, Terms, Reply]:
        """Begin a command. Where nothing has to be learned first, its script is on its way to Redis after that.

        To be followed by `finish`; or by `outcome` once `Run.answer` is done, and by `finish` where that says None.
        Raises CroupierError where no attempt is to be made.
        """
        if caller.idempotency_key:
            check_idempotency_key(caller.idempotency_key)
        monotonic_ms = _monotonic_ms()
        run = Run(command, caller, request, monotonic_ms + self._timeout_ms)
        view = self.views.known(run.partition)
        if view is not None and not run.asks_postgres_first:
            try:  # noqa: SIM105 - `suppress` costs 0.4 us
                self._send(run, view, monotonic_ms)
            except (SettingsError, TransportError):
                pass  # nothing was sent: `finish` tries again, and says why not
        return run

    def outcome(self, run: Run[Request, Terms, Reply]) -> Outcome[Reply] | None:
        """What came of a command, as far as its script's answer says so by itself; None: `finish` has to go on."""
        answer = run.answer
        if (
            answer is None
            or answer.exception() is not None
            or (done := self._done(run, answer.result())) is None
            or run.command.waits_for_postgres(self.settings, run.caller)
            or (economy := self.views.known_economy(done.economy)) is None
        ):
            return None
        return _outcome(run, economy, done)

    async def finish(self, run: Run[Request, Terms, Reply]) -> Outcome[Reply]:
        """Go on with a command until it is done. Raises CroupierError with the code of the refusal or failure."""
        command, caller = run.command, run.caller
        try:
            done = await self._until_done(run)
        except SettingsError as error:
            log.error("command failed", command=command.name, uid=caller.uid, error=str(error))
            raise CroupierError("INTERNAL") from error
        except TransportError as error:
            raise failure(error, command=command.name) from error
        if command.waits_for_postgres(self.settings, caller):
            view = run.view
            try:
                await self._make_durable(done, view)
            except CroupierError:
                self.doubts.add(view.partition, done.op_id, done.event.epoch if done.event else view.epoch)
                raise
        economy = self.views.known_economy(done.economy) or await self.views.economy_in_log(done.economy)
        return _outcome(run, economy, done)

    async def _until_done(self, run: AnyRun) -> Done:
        looked_under: View | None = None
        for _ in range(ATTEMPTS_MAX):
            if run.answer is None:
                view = await self.views.believed(run.partition, (run.deadline_ms - _monotonic_ms()) / 1000)
                if run.asks_postgres_first and view is not looked_under:
                    first = await self._done_before(view.installation, run.uid, run.key, run.request_hash)
                    if first is not None:
                        run.view = view
                        script = self.scripts[run.command.name]
                        done, run.terms = of_event(script, run.command.terms_type, first)
                        return done
                    looked_under = view
                self._send(run, view, _monotonic_ms())
            answer = await self._answer(run)
            if (done_now := self._done(run, answer)) is not None:
                return done_now
            await self._turned_away(run, answer)
        log.error("command turned away too often", command=run.command.name, uid=run.uid)
        raise CroupierError("NOT_READY", retry_after_s=1)

    def _send(self, run: AnyRun, view: View, monotonic_ms: int) -> None:
        """Make an attempt under this view: `run.answer` will be the script's. Raises TransportError, SettingsError."""
        now_ms, left_ms = self._now_ms(monotonic_ms), run.deadline_ms - monotonic_ms
        run.view = view
        run.context = Context(
            run.caller,
            run.uid,
            view.economy,
            now_ms,
            self.zone.day(now_ms),
            self.master_keys,
            view.installation,
            run.seed,
            self.settings,
        )
        run.call = self._calls.prepare(run, left_ms)
        run.answer = self.transport.start(
            *run.call, left_ms / 1000 + REPLY_GRACE_S, connection_number=view.connection_number
        )

    async def _answer(self, run: AnyRun) -> Any:
        """What the attempt's script answers, called again where Redis did not execute it. Raises TransportError."""
        assert run.answer is not None
        try:
            try:
                return await run.answer
            except ReplyError as error:
                if error.code not in NOT_EXECUTED_CODES:
                    raise
            left_s = (run.deadline_ms - _monotonic_ms()) / 1000 + REPLY_GRACE_S
            return await self.transport.run(*run.call, left_s, connection_number=run.view.connection_number)
        except OutcomeUnknown:
            self.doubts.add(run.partition, run.caller.op_id, run.view.epoch)
            raise

    def _done(self, run: AnyRun, answer: Any) -> Done | None:
        """What a script says that has done it, now or before; None where it has turned the attempt away."""
        code = answer[0]
        if code == b"OK":
            script, view = self.scripts[run.command.name], run.view
            done = read_reply(script, run.partition, view.economy.version, run.caller.op_id, *answer[1:])
            if self._clock_ms is None:
                self._server_time_was(done.ts_ms)
            return done
        if code == b"REPLAYED":
            script = self.scripts[run.command.name]
            done, run.terms = read_kept(script, run.partition, run.command.terms_type, answer[1])
            return done
        return None

    async def _turned_away(self, run: AnyRun, answer: Any) -> None:
        """Put right what the script has turned away, so that the next attempt passes. Raises CroupierError."""
        command, code = run.command, answer[0]
        run.answer = None
        if code == b"FENCED":
            self.views.forget(run.partition)
        elif code == b"NEEDS_SEED":
            kid, generation = answer[1:]
            run.seed = self.master_keys.seed(run.view.installation, run.uid, generation or 1, kid or None)
        elif code == b"STALE_DAY":
            self._server_time_was(int(answer[1]))
        elif code == b"EXPIRED" and not run.clock_corrected and _monotonic_ms() < run.deadline_ms:
            # Too late by the server's clock and in time by ours: ours was wrong.
            self._server_time_was(int(answer[1]))
            run.clock_corrected = True
        elif run.terms is not None and (errand := command.first.get(code.decode())) is not None:
            await self.execute(*errand(run.context, run.terms, answer[1:], self.op_ids.new()))
        elif run.refused is not None and (
            code == b"NOTHING_KEPT" or code.decode() not in self.scripts[command.name].errors
        ):
            raise run.refused
        else:
            values = [int(value) for value in answer[1:]]
            raise refusal(command, run.context, run.terms, code.decode(), values)

    async def _done_before(self, installation: str, uid: int, key: str, request_hash: bytes) -> Event | None:
        """The event in Postgres of what is done at most once, ever. Raises IDEMPOTENCY_KEY_REUSED, NOT_READY.

        Until Postgres has the event, Redis keeps the key, and for longer than any command lives after that; so one of
        the two knows, if Postgres is asked before the script runs. A Redis that has lost the key has another fence: the
        view must be the older of the two, and with another view Postgres is asked again.
        """
        if self.durability is None:
            if not is_standalone(installation):
                raise CroupierError(
                    "NOT_READY", "what is done once, ever, is known to Postgres: set DATABASE_URL"
                )
            return None
        first = await self.durability.first(uid, key)
        if first is not None and first.header.request_hash != request_hash:
            raise CroupierError("IDEMPOTENCY_KEY_REUSED")
        return first

    async def _make_durable(self, done: Done, view: View) -> None:
        """Wait until no failure can take back what the reply says. Raises DURABILITY_TIMEOUT and NOT_APPLIED.

        Without an event of its own the reply says what events before it have done. Whoever has the newest event of
        the log has them too.
        """
        event, op_id = done.event, done.op_id
        if event is None:
            if (newest := await newest_of(self, view)) is None:
                raise CroupierError("DURABILITY_TIMEOUT", retry_after_s=1)
            event, op_id = newest.id, newest.header.op_id
        if self.durability is not None:
            await self.durability.wait(event, op_id)
        else:
            await self._on_disk(event, op_id)

    async def _on_disk(self, event: EventId, op_id: bytes) -> None:
        """Wait until Redis' own log of writes has the event on disk. Raises CroupierError DURABILITY_TIMEOUT."""
        timeout_s, partition = self.settings.durability_timeout_seconds, event.partition
        number = self.transport.connection_number
        try:
            # WAITAOF speaks of what was written on this connection, and the event may have come by another one: so
            # write something here, wait for that, and see that the event stands before it. The connection is held up.
            await self.transport.call("HSET", keys.head(partition), "partitions", PARTITIONS)
        except TransportError as error:  # also where memory is full
            raise CroupierError("DURABILITY_TIMEOUT", retry_after_s=1) from error
        try:
            synced: Any = await self.transport.call(
                "WAITAOF", 1, 0, int(timeout_s * 1000), timeout_s=timeout_s + REPLY_GRACE_S
            )
        except TransportError as error:
            # Any other refusal means that it does, but was demoted meanwhile, or does not let us ask.
            if isinstance(error, ReplyError) and "appendonly is disabled" in error.message:
                log.warning("this Redis keeps no log, so nothing on it is durable", error=str(error))
                return
            raise CroupierError("DURABILITY_TIMEOUT", retry_after_s=1) from error
        held = await in_outbox(self, event)
        lost = held is None or held.header.op_id != op_id
        if synced[0] != 1 or lost or number != self.transport.connection_number:
            raise CroupierError("DURABILITY_TIMEOUT", retry_after_s=1)


def _outcome(run: Run[Any, Any, Reply], economy: CompiledEconomy, done: Done) -> Outcome[Reply]:
    return Outcome(run.command.render(economy, run.terms, done), done.replayed, done.rate_blocked)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
