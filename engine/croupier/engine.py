"""The engine: runs commands as scripts, and repeats those that a stale view, a missing seed or midnight turned away."""

import asyncio
import hashlib
import struct
import time
from collections.abc import Callable
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
import structlog

import croupier_lua
from croupier import registry
from croupier.command import Caller, Command, Context, Done, Outcome, check_idempotency_key
from croupier.day import DayZone
from croupier.deterministic import InjectedClock
from croupier.doubts import Doubts
from croupier.durability import Durability
from croupier.errors import CroupierError
from croupier.event_log import in_outbox, newest_of
from croupier.failures import failure, refusal
from croupier.fairness.nonce import nonce_floor
from croupier.fairness.seeds import MasterKeys, ServerSeed
from croupier.frame import Frame
from croupier.op_id import OP_LIFETIME_MS, OpIds, made_ms
from croupier.partition import PARTITIONS, is_standalone
from croupier.reply import keep, of_event, read_kept, read_reply
from croupier.room import Room
from croupier.scripts import Script, Scripts
from croupier.sessions.rules import IDLE_MS, session_bit
from croupier.settings import Settings, SettingsError
from croupier.transport import OutcomeUnknown, ReplyError, Transport, TransportError
from croupier.views import View, Views
from croupier_schemas import keys
from croupier_schemas.economy import BALANCE_MAX
from croupier_schemas.events import Event, EventHeader, EventId, encode_header

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

_NO_RATE = (1, 1, 1)
"""The arguments of a rate limit that refuses nothing."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


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
        self._arguments = {
            command.name: arguments_of(self.scripts[command.name])
            for command in (*registry.COMMANDS, *registry.INTERNAL)
        }

    def now_ms(self) -> int:
        """The server's clock as far as this process knows it, Unix time in ms."""
        if self._clock_ms is not None and (injected_ms := self._clock_ms()):
            return injected_ms
        return _monotonic_ms() + self._server_ahead_ms

    def _server_time_was(self, now_ms: int) -> None:
        """Take over the server's clock; this host's may be wrong, or be set while we run."""
        self._server_ahead_ms = now_ms - _monotonic_ms()

    async def execute(
        self, command: Command[Request, Terms, Reply], caller: Caller, request: Request
    ) -> Outcome[Reply]:
        """Run a command. Raises CroupierError with the code of the refusal or failure."""
        if caller.idempotency_key:
            check_idempotency_key(caller.idempotency_key)
        try:
            done, terms, view = await self._run(command, caller, request)
        except SettingsError as error:
            log.error("command failed", command=command.name, uid=caller.uid, error=str(error))
            raise CroupierError("INTERNAL") from error
        except TransportError as error:
            raise failure(error, command=command.name) from error
        if command.waits_for_postgres(self.settings, caller):
            try:
                await self._make_durable(done, view)
            except CroupierError:
                self.doubts.add(view.partition, done.op_id, done.event.epoch if done.event else view.epoch)
                raise
        economy = self.views.known_economy(done.economy) or await self.views.economy_in_log(done.economy)
        return Outcome(command.render(economy, terms, done), done.replayed, done.rate_blocked)

    async def _run(
        self, command: Command[Request, Terms, Reply], caller: Caller, request: Request
    ) -> tuple[Done, Terms, View]:
        deadline_ms = _monotonic_ms() + int(self.settings.command_timeout_seconds * 1000)
        script, uid = self.scripts[command.name], command.player(request) if command.player else caller.uid
        partition, key = uid % PARTITIONS, command.key(caller, request)
        request_hash = _request_hash(command.name, request) if key else b""
        seed: ServerSeed | None = None
        clock_corrected = False
        looked_under: View | None = None
        for _ in range(ATTEMPTS_MAX):
            view = await self.views.believed(partition, (deadline_ms - _monotonic_ms()) / 1000)
            if key and command.forever_key is not None and view is not looked_under:
                first = await self._done_before(view.installation, uid, key, request_hash)
                if first is not None:
                    return *of_event(script, command.terms_type, first), view
                looked_under = view
            now_ms, left_ms = self.now_ms(), deadline_ms - _monotonic_ms()
            context = Context(
                caller,
                uid,
                view.economy,
                now_ms,
                self.zone.day(now_ms),
                self.master_keys,
                view.installation,
                seed,
                self.settings,
            )
            terms, refused, call = self._prepare(command, view, context, request, key, request_hash, left_ms)
            try:
                answer: Any = await self.transport.run(
                    *call,
                    timeout_s=left_ms / 1000 + REPLY_GRACE_S,
                    connection_number=view.connection_number,
                )
            except OutcomeUnknown:
                self.doubts.add(partition, caller.op_id, view.epoch)
                raise
            code = answer[0]
            if code == b"OK":
                assert terms is not None
                done = read_reply(script, partition, view.economy.version, caller.op_id, *answer[1:])
                if self._clock_ms is None:
                    self._server_time_was(done.ts_ms)
                return done, terms, view
            if code == b"REPLAYED":
                return *read_kept(script, partition, command.terms_type, answer[1]), view
            if code == b"FENCED":
                self.views.forget(partition)
            elif code == b"NEEDS_SEED":
                kid, generation = answer[1:]
                seed = self.master_keys.seed(view.installation, uid, generation or 1, kid or None)
            elif code == b"STALE_DAY":
                self._server_time_was(int(answer[1]))
            elif code == b"EXPIRED" and not clock_corrected and _monotonic_ms() < deadline_ms:
                # Too late by the server's clock and in time by ours: ours was wrong.
                self._server_time_was(int(answer[1]))
                clock_corrected = True
            elif terms is not None and (errand := command.first.get(code.decode())) is not None:
                await self.execute(*errand(context, terms, answer[1:], self.op_ids.new()))
            elif refused is not None and (code == b"NOTHING_KEPT" or code.decode() not in script.errors):
                raise refused
            else:
                values = [int(value) for value in answer[1:]]
                raise refusal(command, context, terms, code.decode(), values)
        log.error("command turned away too often", command=command.name, uid=uid)
        raise CroupierError("NOT_READY", retry_after_s=1)

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

    def _prepare(
        self, command: Command[Request, Terms, Reply], view: View, context: Context, request: Request,
        key: str, request_hash: bytes, left_ms: int,
    ) -> tuple[Terms | None, CroupierError | None, tuple[Script, list[str], list[bytes | str]]]:  # fmt: skip
        """The terms and the call; or why it may not begin, by the economy or for want of room, and the call that
        confirms that.

        What is refused here is refused under the economy that this process believes in, which may be an old one; and
        it may have been done before under the same key. The script knows both.
        """
        not_after_ms = context.now_ms + left_ms
        if self.injected_clock is None:
            not_after_ms = min(not_after_ms, made_ms(context.caller.op_id) + OP_LIFETIME_MS)
        try:
            if not command.ends:
                self.room.require()
            terms = command.terms(context, request)
            return (
                terms,
                None,
                self._call(command, view, context, request, terms, key, request_hash, not_after_ms),
            )
        except CroupierError as error:
            return None, error, self._replay(command, view, context, key, request_hash, not_after_ms)

    def _call(
        self, command: Command[Request, Terms, Reply], view: View, context: Context, request: Request,
        terms: Terms, key: str, request_hash: bytes, not_after_ms: int,
    ) -> tuple[Script, list[str], list[bytes | str]]:  # fmt: skip
        """The script, its keys and its arguments."""
        script, caller, economy, uid = self.scripts[command.name], context.caller, view.economy, context.uid
        places = {"game": command.game} | command.places(request)
        names = script.key_names(uid % PARTITIONS, fence=view.fence, uid=str(uid), key=key, **places)
        packed_terms = _encode(terms)
        header = EventHeader(
            script.emits or "", uid, caller.tier, caller.op_id, key, request_hash,
            economy.version_raw, croupier_lua.RULES, msgspec.Raw(packed_terms),
            tuple((names[i], size) for i, size in script.states),
        )  # fmt: skip
        beginnings = economy.economy.initial_tokens, economy.economy.initial_gems
        second, minute, shadow = self._rate(command, context)
        kept = keep(request_hash, caller.op_id, economy.version_raw, packed_terms) if request_hash else b""
        frame = Frame(
            not_after_ms,
            self._clock_ms() if self._clock_ms else 0,
            0 if command.forever_key else self.settings.idempotency_ttl_seconds * 1000,
            kept,
            nonce_floor(view.epoch),
            second,
            minute,
            shadow,
            context.seed.packed(*beginnings) if context.seed else b"",
            BALANCE_MAX,
            session_bit(places["game"]),
            IDLE_MS,
            f"{view.epoch}-*",
            encode_header(header),
        )
        arguments = self._arguments[command.name](frame + command.bind(context, request, terms))
        return script, names, arguments

    def _replay(
        self, command: Command[Any, Any, Any], view: View, context: Context, key: str, request_hash: bytes,
        not_after_ms: int,
    ) -> tuple[Script, list[str], list[bytes | str]]:  # fmt: skip
        script, uid = self.scripts["idempotency.replay"], context.uid
        names = script.key_names(uid % PARTITIONS, fence=view.fence, uid=str(uid), key=key)
        clock_ms = self._clock_ms() if self._clock_ms else 0
        rate = self._rate(command, context) if command.scope == "games" else _NO_RATE
        arguments = not_after_ms, clock_ms, 0, request_hash, nonce_floor(view.epoch), *rate
        return script, names, script.argv(*arguments)

    def _rate(self, command: Command[Any, Any, Any], context: Context) -> tuple[int, int, int]:
        """The arguments of the stage `rate_limit`."""
        if not command.scope:
            return _NO_RATE
        rate = command.rate(context)
        return rate.per_second, rate.per_minute, int(context.economy.economy.rate_limit.mode == "shadow")

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


def _request_hash(name: str, request: msgspec.Struct) -> bytes:
    """What makes two requests the same: the command and its body with all defaults filled in."""
    return hashlib.blake2b(name.encode() + b"\0" + _encode(request), digest_size=16).digest()


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


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
